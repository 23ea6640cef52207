package com.example.voicebox.app.device.llm;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.stereotype.Service;
import org.springframework.web.reactive.function.client.ClientResponse;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientRequestException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** 通过代理调用各家大模型。 */
@Service
public class LLMProxyService {
    /** 流中沉默这么久的连接视为已断；服务端的心跳也算活动。 */
    private static final Duration LONGEST_SILENCE = Duration.ofMinutes(5);
    private static final String DONE = "[DONE]";
    private static final ParameterizedTypeReference<ServerSentEvent<String>> EVENT = new ParameterizedTypeReference<>() {};

    private final WebClient client;
    private final JsonMapper json;
    private final Duration timeout;
    private final int maxRetries;

    public LLMProxyService(
            WebClient llmWebClient,
            JsonMapper json,
            @Value("${llm.proxy.timeout}") Duration timeout,
            @Value("${llm.proxy.max-retries}") int maxRetries) {
        this.client = llmWebClient;
        this.json = json;
        this.timeout = timeout;
        this.maxRetries = maxRetries;
    }

    /** 完整回答；取消订阅即取消调用，厂商侧随之停止。 */
    public Mono<ChatResponse> chat(String provider, ChatRequest request) {
        Mono<ChatResponse> attempt = post(provider, request.streamed(false))
                .exchangeToMono(response -> isOk(response)
                        ? response.bodyToMono(ChatResponse.class)
                        : error(response).flatMap(Mono::error));
        return attempt.onErrorMap(this::toLLMException)
                .retryWhen(new LLMRetry(maxRetries, timeout))
                .timeout(timeout)
                .onErrorMap(TimeoutException.class, this::tooLate);
    }

    /** 流式回答的文本片段。没有收到结尾就断开的流以 upstream_truncated 出错：截断的回答绝不会看起来完整。 */
    public Flux<String> stream(String provider, ChatRequest request) {
        Flux<String> attempt = post(provider, request.streamed(true))
                .exchangeToFlux(response -> isOk(response)
                        ? response.bodyToFlux(EVENT)
                        : error(response).flatMapMany(Flux::error))
                .transform(this::pieces);
        return attempt.onErrorMap(this::toLLMException)
                .retryWhen(new LLMRetry(maxRetries, timeout))
                .timeout(Mono.delay(timeout), event -> Mono.never())
                .onErrorMap(TimeoutException.class, this::tooLate)
                .filter(text -> !text.isEmpty());
    }

    private WebClient.RequestHeadersSpec<?> post(String provider, ChatRequest request) {
        return client.post()
                .uri("/proxy/{provider}/chat/completions", provider)
                .headers(headers -> {
                    headers.set("x-ferry-timeout-ms", String.valueOf(timeout.toMillis()));
                    if (request.getUserId() != null) {
                        headers.set("x-ferry-user", headerValue(request.getUserId()));
                    }
                })
                .bodyValue(request);
    }

    private Flux<String> pieces(Flux<ServerSentEvent<String>> events) {
        return Flux.defer(() -> {
            AtomicBoolean complete = new AtomicBoolean();
            return events.timeout(Mono.never(), event -> Mono.delay(LONGEST_SILENCE))
                    .onErrorMap(TimeoutException.class, silence -> truncated("连接沉默太久"))
                    // 没有数据的事件是心跳。
                    .mapNotNull(ServerSentEvent::data)
                    .doOnNext(data -> complete.compareAndSet(false, data.equals(DONE)))
                    .filter(data -> !data.equals(DONE))
                    .map(this::textOf)
                    .concatWith(Flux.defer(() -> complete.get() ? Flux.empty() : Flux.error(truncated("没有收到结尾"))));
        });
    }

    private String textOf(String data) {
        JsonNode chunk = json.readTree(data);
        if (chunk.has("error")) {
            JsonNode error = chunk.get("error");
            throw LLMException.local(error.path("code").asString(), error.path("message").asString());
        }
        return chunk.path("choices").path(0).path("delta").path("content").asString("");
    }

    private static boolean isOk(ClientResponse response) {
        return response.statusCode().isSameCodeAs(HttpStatusCode.valueOf(200));
    }

    private Mono<LLMException> error(ClientResponse response) {
        return response.bodyToMono(String.class)
                .defaultIfEmpty("")
                .map(body -> LLMException.answered(response.statusCode().value(), response.headers().asHttpHeaders(), errorIn(body)));
    }

    private JsonNode errorIn(String body) {
        try {
            return json.readTree(body).path("error");
        } catch (RuntimeException notJson) {
            return json.missingNode();
        }
    }

    private Throwable toLLMException(Throwable error) {
        if (error instanceof LLMException || error instanceof TimeoutException) {
            return error;
        }
        if (error instanceof WebClientRequestException && error.getCause() instanceof ConnectException) {
            return LLMException.unreachable(error.getMessage());
        }
        Throwable cause = error instanceof WebClientRequestException ? error.getCause() : error;
        // 请求可能已经到达，所以不重试。
        return cause instanceof IOException ? truncated(cause.getMessage()) : error;
    }

    private static LLMException truncated(String how) {
        return LLMException.local("upstream_truncated", "回答在结束之前中断：" + how);
    }

    /** 厂商可能已经计费，所以超时不重试。 */
    private LLMException tooLate(Throwable ignored) {
        return LLMException.local("upstream_timeout", "在 " + timeout.toMillis() + " 毫秒内没有回答");
    }

    /** HTTP 头只能是 ASCII，其他字符用百分号编码。 */
    private static String headerValue(String text) {
        return text.matches("[\\x20-\\x7e]*")
                ? text
                : URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
