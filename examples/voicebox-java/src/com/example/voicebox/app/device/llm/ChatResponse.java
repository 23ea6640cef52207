package com.example.voicebox.app.device.llm;

/**
 * 一次完整的回答。
 *
 * @param requestId 排查问题时交给运维的编号
 */
public record ChatResponse(String content, String model, String finishReason, String requestId) {
    static ChatResponse parse(String body, String requestId) {
        Object answer = Json.parse(body);
        Object content = Json.at(answer, "choices", 0, "message", "content");
        return new ChatResponse(
                content instanceof String text ? text : "",
                String.valueOf(Json.at(answer, "model")),
                String.valueOf(Json.at(answer, "choices", 0, "finish_reason")),
                requestId);
    }
}
