package com.example.voicebox.app.device.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.web.reactive.function.client.WebClient;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.netty.http.server.HttpServerResponse;
import reactor.test.StepVerifier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** 服务端按脚本行事：限流、出错、沉默、中断。 */
@Timeout(20)
class LLMProxyServiceTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final ChatRequest REQUEST = new ChatRequest("some-model", "设备-001", "你好");
    private static final String ANSWER =
            "{\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"%s\"},\"finish_reason\":\"stop\"}]}";

    private final ScriptedServer server = new ScriptedServer();

    @AfterEach
    void stop() {
        server.stop();
    }

    private LLMProxyService service(int maxRetries, Duration timeout) {
        WebClient client = new LLMProxyConfig().llmWebClient(WebClient.builder(), server.url(), "test-key");
        return new LLMProxyService(client, JSON, timeout, maxRetries);
    }

    private LLMProxyService service() {
        return service(1, Duration.ofSeconds(15));
    }

    private LLMException failure(LLMProxyService service) {
        return catchLLM(() -> service.chat("openai", REQUEST).block());
    }

    private static LLMException catchLLM(Runnable call) {
        return assertThatExceptionOfType(LLMException.class).isThrownBy(call::run).actual();
    }

    private static UnaryOperator<HttpServerResponse> headers(String... pairs) {
        return response -> {
            for (int i = 0; i < pairs.length; i += 2) {
                response.header(pairs[i], pairs[i + 1]);
            }
            return response;
        };
    }

    @Test
    void postsToTheVendorsPathWithKeyAndUser() {
        server.answers(ScriptedServer.json(200, ANSWER.formatted("好的")));
        ChatResponse answer = service().chat("anthropic", REQUEST).block();
        assertThat(answer.content()).isEqualTo("好的");
        ScriptedServer.Seen seen = server.seen().get(0);
        assertThat(seen.path()).isEqualTo("/proxy/anthropic/chat/completions");
        assertThat(seen.headers().get("authorization")).isEqualTo("Bearer test-key");
        assertThat(URLDecoder.decode(seen.headers().get("x-ferry-user"), StandardCharsets.UTF_8)).isEqualTo("设备-001");
        JsonNode body = JSON.readTree(seen.body());
        assertThat(body.propertyNames()).containsExactlyInAnyOrder("model", "messages", "stream");
        assertThat(body.path("messages").path(0).path("content").asString()).isEqualTo("你好");
    }

    @Test
    void waitsAsLongAsRetryAfterSays() {
        server.answers(
                ScriptedServer.error(429, "rate_limit_exceeded", headers("retry-after", "2")),
                ScriptedServer.json(200, ANSWER.formatted("好的")));
        long startedAt = System.nanoTime();
        service().chat("openai", REQUEST).block();
        assertThat(Duration.ofNanos(System.nanoTime() - startedAt)).isGreaterThanOrEqualTo(Duration.ofSeconds(2));
    }

    @Test
    void doesNotKnockAtAQuotaThatIsUsedUp() {
        server.answers(ScriptedServer.error(429, "quota_exceeded", headers("x-should-retry", "false")));
        LLMException failure = failure(service());
        assertThat(failure).isInstanceOf(RateLimitException.class).hasMessage("请求过于频繁");
        assertThat(failure.getCode()).isEqualTo("quota_exceeded");
        assertThat(server.seen()).hasSize(1);
    }

    @Test
    void doesNotWaitBeyondItsDeadline() {
        server.answers(ScriptedServer.error(429, "rate_limit_exceeded", headers("retry-after", "50")));
        assertThat(failure(service()).getRetryAfter()).isEqualTo(Duration.ofSeconds(50));
        assertThat(server.seen()).hasSize(1);
    }

    @Test
    void repeatsWhatIsOverloaded() {
        server.answers(ScriptedServer.error(503, "overloaded", headers()));
        assertThat(failure(service()).getCode()).isEqualTo("overloaded");
        assertThat(server.seen()).hasSize(2);
    }

    @Test
    void doesNotRepeatAFaultOfTheServer() {
        server.answers(ScriptedServer.error(500, "internal_error", headers()));
        assertThat(failure(service()).getCode()).isEqualTo("internal_error");
        assertThat(server.seen()).hasSize(1);
    }

    @Test
    void pausesFromOneSecondUpToTen() {
        LLMException overloaded = new LLMException("overloaded", 503, "", "", true, null);
        Flux<String> failing = Flux.error(overloaded);
        StepVerifier.withVirtualTime(() -> failing.retryWhen(new LLMRetry(6, Duration.ofMinutes(9))))
                .expectSubscription()
                .expectNoEvent(Duration.ofSeconds(1 + 2 + 4 + 8 + 10 + 10))
                .thenAwait(Duration.ofSeconds(10))
                .verifyErrorMatches(overloaded::equals);
    }

    @Test
    void givesUpInTimeAndLeaves() {
        server.answers((request, response) -> Mono.never());
        assertThat(failure(service(3, Duration.ofMillis(500))).getCode()).isEqualTo("upstream_timeout");
        server.awaitLeft();
        assertThat(server.seen()).hasSize(1);
    }

    @Test
    void readsAnswersOfUpToTenMegabytes() {
        server.answers(ScriptedServer.json(200, ANSWER.formatted("x".repeat(9_000_000))));
        assertThat(service().chat("openai", REQUEST).block().content()).hasSize(9_000_000);
    }

    @Test
    void streamsPieceByPiece() {
        server.answers(ScriptedServer.events(": 心跳", ScriptedServer.piece("你"), ScriptedServer.piece("好"), "data: [DONE]"));
        StepVerifier.create(service().stream("openai", REQUEST)).expectNext("你", "好").verifyComplete();
    }

    @Test
    void neverTakesACutStreamForComplete() {
        server.answers(ScriptedServer.events(ScriptedServer.piece("你")));
        StepVerifier.create(service().stream("openai", REQUEST))
                .expectNext("你")
                .verifyErrorMatches(e -> e instanceof LLMException cut && cut.getCode().equals("upstream_truncated"));
        assertThat(server.seen()).hasSize(1);
    }

    @Test
    void neverTakesALostConnectionForAnEnd() {
        server.answers((request, response) -> {
            request.withConnection(connection -> Mono.delay(Duration.ofMillis(200)).subscribe(at -> connection.dispose()));
            return ScriptedServer.unfinished(ScriptedServer.piece("你")).apply(request, response);
        });
        LLMException cut = catchLLM(() -> service().stream("openai", REQUEST).blockLast());
        assertThat(cut.getCode()).isEqualTo("upstream_truncated");
    }

    @Test
    void passesOnTheErrorInsideAStream() {
        server.answers(ScriptedServer.events("data: {\"error\":{\"code\":\"vendor_overloaded\",\"message\":\"忙\"}}"));
        LLMException failure = catchLLM(() -> service().stream("openai", REQUEST).blockLast());
        assertThat(failure.getCode()).isEqualTo("vendor_overloaded");
    }

    @Test
    void leavesWithinASecondWhenTheUserInterrupts() {
        server.answers(ScriptedServer.unfinished(ScriptedServer.piece("你")));
        assertThat(service().stream("openai", REQUEST).blockFirst()).isEqualTo("你");
        server.awaitLeft();
    }
}
