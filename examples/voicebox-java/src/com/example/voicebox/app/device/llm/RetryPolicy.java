package com.example.voicebox.app.device.llm;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** 一次调用的重试：停顿从 1 秒翻倍到至多 10 秒，带抖动；全部尝试和停顿不超过总时限。 */
final class RetryPolicy {
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);

    private final int maxRetries;
    private final long deadline;

    RetryPolicy(int maxRetries, Duration timeout) {
        this.maxRetries = maxRetries;
        this.deadline = System.nanoTime() + timeout.toNanos();
    }

    Duration remaining() {
        return Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime()));
    }

    /** 第 retry 次重试之前的停顿；不应重试时为 null。 */
    Duration pauseBefore(int retry, LLMException error) {
        if (!error.isRetryable() || retry > maxRetries) {
            return null;
        }
        Duration pause = error.retryAfter() == null ? backoff(retry) : error.retryAfter();
        return pause.compareTo(remaining()) < 0 ? pause : null;
    }

    private static Duration backoff(int retry) {
        long ms = Math.min(LONGEST_PAUSE.toMillis(), FIRST_PAUSE.toMillis() << Math.min(retry - 1, 10));
        return Duration.ofMillis(ms + ThreadLocalRandom.current().nextLong(ms / 4));
    }
}
