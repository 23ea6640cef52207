package com.example.voicebox.app.device.llm;

import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Set;

/** 调用失败。按 {@link #code} 判断原因，不要匹配文字：代码稳定，文字会变。 */
public class LLMException extends RuntimeException {
    private static final long serialVersionUID = 1L;
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
    static LLMException local(String code, String message, String requestId) {
        return new LLMException(code, 0, message, requestId, false, null);
    }

    /** 没有连上：服务端一定没有收到请求，可以重试。 */
    static LLMException unreachable(String address) {
        return new LLMException("upstream_unreachable", 0, "连不上 " + address, "", true, null);
    }

    /** HTTP 错误状态所表示的错误。 */
    static LLMException answered(HttpResponse<?> response, String body) {
        Object error = errorIn(body);
        int status = response.statusCode();
        String code = error == null ? "http_" + status : String.valueOf(Json.at(error, "code"));
        String message = error == null ? "HTTP " + status : String.valueOf(Json.at(error, "message"));
        String requestId = header(response, "x-ferry-request-id");
        // 服务端的话优先：长时间的配额用尽也是 429，但重试无益。
        String told = header(response, "x-should-retry");
        boolean retryable = told.isEmpty() ? RETRYABLE.contains(status) : told.equals("true");
        Duration retryAfter = seconds(header(response, "retry-after"));
        return status == 429
                ? new RateLimitException(code, message, requestId, retryable, retryAfter)
                : new LLMException(code, status, message, requestId, retryable, retryAfter);
    }

    /** 流中途的错误事件。 */
    static LLMException streamed(Object error, String requestId) {
        return local(String.valueOf(Json.at(error, "code")), String.valueOf(Json.at(error, "message")), requestId);
    }

    static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    private static Object errorIn(String body) {
        try {
            return Json.at(Json.parse(body), "error");
        } catch (IllegalArgumentException notJson) {
            return null;
        }
    }

    private static Duration seconds(String value) {
        return value.matches("\\d{1,9}") ? Duration.ofSeconds(Long.parseLong(value)) : null;
    }

    public String code() {
        return code;
    }

    /** HTTP 状态码；没有收到回答时为 0。 */
    public int status() {
        return status;
    }

    public String requestId() {
        return requestId;
    }

    /** 同样的请求稍后是否可能成功。 */
    public boolean isRetryable() {
        return retryable;
    }

    /** 服务端要求等待的时间；没有要求时为 null。 */
    public Duration retryAfter() {
        return retryAfter;
    }

    /** 设备对用户说的话。 */
    public String spokenText() {
        return switch (code) {
            case "rate_limit_exceeded", "vendor_rate_limited" -> "请求过于频繁，请稍后再试。";
            case "quota_exceeded" -> "今天的次数用完了，明天再来吧。";
            case "content_policy_violation" -> "这个问题我不能回答。";
            case "upstream_truncated" -> "刚才的回答中断了，请再说一遍。";
            default -> "服务暂时不可用，请稍后再试。";
        };
    }
}
