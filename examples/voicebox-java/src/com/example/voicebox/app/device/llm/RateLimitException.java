package com.example.voicebox.app.device.llm;

import java.time.Duration;

/** 429：超过频率限制或配额。{@link #detail} 说明是哪一条限制。 */
public final class RateLimitException extends LLMException {
    private static final long serialVersionUID = 1L;

    private final String detail;

    RateLimitException(String code, String detail, String requestId, boolean retryable, Duration retryAfter) {
        super(code, 429, "请求过于频繁", requestId, retryable, retryAfter);
        this.detail = detail;
    }

    public String detail() {
        return detail;
    }
}
