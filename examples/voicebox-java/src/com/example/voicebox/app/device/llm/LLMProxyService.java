package com.example.voicebox.app.device.llm;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** 通过代理调用各家大模型。线程安全，整个应用共用一个即可。 */
public final class LLMProxyService {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);

    private final LLMProxyConfig config;
    private final HttpClient http;

    public LLMProxyService(LLMProxyConfig config) {
        this.config = config;
        // 明文 HTTP 下避免每个请求都带 h2c 升级头。
        HttpClient.Version version =
                "https".equals(config.baseUrl().getScheme()) ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        this.http = HttpClient.newBuilder().version(version).connectTimeout(CONNECT_TIMEOUT).build();
    }

    /** 完整回答。 */
    public ChatResponse chat(String provider, ChatRequest request) throws InterruptedException {
        HttpResponse<String> response = send(provider, request, false, BodyHandlers.ofString(UTF_8));
        return ChatResponse.parse(response.body(), LLMException.header(response, "x-ferry-request-id"));
    }

    /** 流式回答，逐段读取。用 try-with-resources：中途离开即取消，厂商侧随之停止。 */
    public ChatStream stream(String provider, ChatRequest request) throws InterruptedException {
        HttpResponse<InputStream> response = send(provider, request, true, BodyHandlers.ofInputStream());
        return new ChatStream(response.body(), LLMException.header(response, "x-ferry-request-id"));
    }

    /** 流式回答，按句回调，供语音合成使用；第一句尽早给出。返回全文。 */
    public String speak(String provider, ChatRequest request, Consumer<String> onSentence) throws InterruptedException {
        StringBuilder text = new StringBuilder();
        SentenceSplitter sentences = new SentenceSplitter(onSentence);
        try (ChatStream stream = stream(provider, request)) {
            for (String piece : stream) {
                text.append(piece);
                sentences.push(piece);
            }
        }
        sentences.end();
        return text.toString();
    }

    private <T> HttpResponse<T> send(String provider, ChatRequest request, boolean stream, BodyHandler<T> handler)
            throws InterruptedException {
        RetryPolicy policy = new RetryPolicy(config.maxRetries(), config.timeout());
        for (int retry = 1; ; retry++) {
            try {
                return attempt(httpRequest(provider, request, stream, policy.remaining()), handler, policy.remaining());
            } catch (LLMException error) {
                Duration pause = policy.pauseBefore(retry, error);
                if (pause == null) {
                    throw error;
                }
                Thread.sleep(pause.toMillis());
            }
        }
    }

    private HttpRequest httpRequest(String provider, ChatRequest request, boolean stream, Duration remaining) {
        HttpRequest.Builder builder = HttpRequest.newBuilder()
                .uri(URI.create(config.baseUrl() + "/proxy/" + provider + "/chat/completions"))
                .header("authorization", "Bearer " + config.apiKey())
                .header("content-type", "application/json")
                .header("x-ferry-timeout-ms", String.valueOf(remaining.toMillis()))
                .POST(HttpRequest.BodyPublishers.ofString(request.toJson(stream)));
        if (request.userId() != null) {
            builder.header("x-ferry-user", headerValue(request.userId()));
        }
        return builder.build();
    }

    /** HTTP 头只能是 ASCII，其他字符用百分号编码。 */
    private static String headerValue(String text) {
        return text.matches("[\\x20-\\x7e]*") ? text : URLEncoder.encode(text, UTF_8).replace("+", "%20");
    }

    private <T> HttpResponse<T> attempt(HttpRequest request, BodyHandler<T> handler, Duration remaining)
            throws InterruptedException {
        CompletableFuture<HttpResponse<Object>> pending = http.sendAsync(request, orError(handler));
        try {
            HttpResponse<Object> response = pending.get(remaining.toMillis(), TimeUnit.MILLISECONDS);
            if (response.body() instanceof ErrorBody error) {
                throw LLMException.answered(response, error.text());
            }
            @SuppressWarnings("unchecked")
            HttpResponse<T> answer = (HttpResponse<T>) (HttpResponse<?>) response;
            return answer;
        } catch (TimeoutException e) {
            // 厂商可能已经计费，所以超时不重试。
            throw LLMException.local("upstream_timeout", "在 " + config.timeout().toSeconds() + " 秒内没有回答", "");
        } catch (ExecutionException e) {
            throw connectionError(e.getCause());
        } catch (CancellationException e) {
            throw LLMException.local("client_closed", "调用已取消", "");
        } finally {
            // 已完成时无作用；否则关闭连接，厂商侧随之停止。
            pending.cancel(true);
        }
    }

    /** 错误回答的正文。 */
    private record ErrorBody(String text) {}

    private static <T> BodyHandler<Object> orError(BodyHandler<T> handler) {
        return info -> info.statusCode() == 200
                ? HttpResponse.BodySubscribers.mapping(handler.apply(info), body -> body)
                : HttpResponse.BodySubscribers.mapping(HttpResponse.BodySubscribers.ofString(UTF_8), ErrorBody::new);
    }

    private RuntimeException connectionError(Throwable cause) {
        if (cause instanceof ConnectException || cause instanceof HttpConnectTimeoutException) {
            return LLMException.unreachable(config.baseUrl().toString());
        }
        if (cause instanceof IOException io) {
            // 请求可能已经到达，所以不重试。
            return LLMException.local("upstream_truncated", "连接中断：" + io.getMessage(), "");
        }
        return new UncheckedIOException(new IOException(cause));
    }
}
