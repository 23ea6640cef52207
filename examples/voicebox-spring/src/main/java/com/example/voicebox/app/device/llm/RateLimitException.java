package com.example.voicebox.app.device.llm;

import java.time.Duration;

/** 429：超过频率限制或配额。{@link #getDetail} 说明是哪一条限制。 */
public final class RateLimitException extends LLMException {
    private final String detail;

    RateLimitException(String code, String detail, String requestId, boolean retryable, Duration retryAfter) {
        super(code, 429, "请求过于频繁", requestId, retryable, retryAfter);
        this.detail = detail;
    }

    public String getDetail() {
        return detail;
    }
}
