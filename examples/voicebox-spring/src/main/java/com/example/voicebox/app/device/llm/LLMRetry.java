package com.example.voicebox.app.device.llm;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.retry.Retry;

/** 停顿从 1 秒翻倍到至多 10 秒，带抖动；服务端给出 Retry-After 时以它为准；全部不超过总时限。 */
final class LLMRetry extends Retry {
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

    private final int maxRetries;
    private final Duration timeout;

    LLMRetry(int maxRetries, Duration timeout) {
        this.maxRetries = maxRetries;
        this.timeout = timeout;
    }

    @Override
    public Publisher<?> generateCompanion(Flux<RetrySignal> signals) {
        return Flux.defer(() -> {
            long deadline = System.nanoTime() + timeout.toNanos();
            return signals.concatMap(signal -> pauseAfter(signal.failure(), signal.totalRetries(), deadline));
        });
    }

    private Mono<Long> pauseAfter(Throwable failure, long retries, long deadline) {
        if (retries >= maxRetries || !(failure instanceof LLMException error) || !error.isRetryable()) {
            return Mono.error(failure);
        }
        Duration pause = error.getRetryAfter() == null ? backoff(retries) : error.getRetryAfter();
        boolean fits = pause.toNanos() < deadline - System.nanoTime();
        return fits ? Mono.delay(pause) : Mono.error(failure);
    }

    private static Duration backoff(long retries) {
        long ms = Math.min(LONGEST_PAUSE.toMillis(), FIRST_PAUSE.toMillis() << Math.min(retries, 10));
        return Duration.ofMillis(ms + ThreadLocalRandom.current().nextLong(ms / 4));
    }
}
