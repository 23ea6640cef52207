package com.example.voicebox.app.device.llm;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * 一次对话请求。
 *
 * @param userId 最终用户，按用户限流和计数；可为 null
 */
public record ChatRequest(String model, String userId, List<Message> messages) {
    /** 对话中的一条消息。 */
    public record Message(String role, String content) {
        Map<String, Object> toJson() {
            return Map.of("role", role, "content", content);
        }
    }

    public static ChatRequest of(String model, String userId, String question) {
        return new ChatRequest(model, userId, List.of(new Message("user", question)));
    }

    String toJson(boolean stream) {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("model", model);
        body.put("stream", stream);
        body.put("messages", messages.stream().map(Message::toJson).toList());
        return Json.write(body);
    }
}
