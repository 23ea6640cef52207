package com.example.voicebox.app.device.llm;

import java.time.Duration;
import java.util.Set;
import org.springframework.http.HttpHeaders;
import tools.jackson.databind.JsonNode;

/** 调用失败。按 {@link #getCode} 判断原因，不要匹配文字：代码稳定，文字会变。 */
public class LLMException extends RuntimeException {
    private static final Set<Integer> RETRYABLE = Set.of(408, 429, 502, 503);

    private final String code;
    private final int status;
    private final String requestId;
    private final boolean retryable;
    private final Duration retryAfter;

    LLMException(String code, int status, String message, String requestId, boolean retryable, Duration retryAfter) {
        super(message);
        this.code = code;
        this.status = status;
        this.requestId = requestId;
        this.retryable = retryable;
        this.retryAfter = retryAfter;
    }

    /** 本地发现的错误，不会自动重试。 */
    static LLMException local(String code, String message) {
        return new LLMException(code, 0, message, "", false, null);
    }

    /** 没有连上：服务端一定没有收到请求，可以重试。 */
    static LLMException unreachable(String message) {
        return new LLMException("upstream_unreachable", 0, message, "", true, null);
    }

    /** HTTP 错误状态所表示的错误。 */
    static LLMException answered(int status, HttpHeaders headers, JsonNode error) {
        String code = error.path("code").asString("http_" + status);
        String message = error.path("message").asString("HTTP " + status);
        String requestId = headers.getFirst("x-ferry-request-id");
        // 服务端的话优先：长时间的配额用尽也是 429，但重试无益。
        String told = headers.getFirst("x-should-retry");
        boolean retryable = told == null ? RETRYABLE.contains(status) : told.equals("true");
        Duration retryAfter = seconds(headers.getFirst(HttpHeaders.RETRY_AFTER));
        return status == 429
                ? new RateLimitException(code, message, requestId, retryable, retryAfter)
                : new LLMException(code, status, message, requestId, retryable, retryAfter);
    }

    private static Duration seconds(String value) {
        return value != null && value.matches("\\d{1,9}") ? Duration.ofSeconds(Long.parseLong(value)) : null;
    }

    public String getCode() {
        return code;
    }

    /** HTTP 状态码；没有收到回答时为 0。 */
    public int getStatus() {
        return status;
    }

    /** 排查问题时交给运维的编号。 */
    public String getRequestId() {
        return requestId;
    }

    /** 同样的请求稍后是否可能成功。 */
    public boolean isRetryable() {
        return retryable;
    }

    /** 服务端要求等待的时间；没有要求时为 null。 */
    public Duration getRetryAfter() {
        return retryAfter;
    }
}
