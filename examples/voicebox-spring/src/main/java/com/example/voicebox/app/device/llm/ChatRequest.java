package com.example.voicebox.app.device.llm;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.util.List;

/** 一次对话请求，OpenAI 的格式。 */
public class ChatRequest {
    /** 对话中的一条消息。 */
    public record Message(String role, String content) {}

    private final String model;
    private final String userId;
    private final List<Message> messages;
    private final boolean stream;

    public ChatRequest(String model, String userId, String question) {
        this(model, userId, List.of(new Message("user", question)));
    }

    /** @param userId 最终用户，按用户限流和计数；可为 null */
    public ChatRequest(String model, String userId, List<Message> messages) {
        this(model, userId, messages, false);
    }

    private ChatRequest(String model, String userId, List<Message> messages, boolean stream) {
        this.model = model;
        this.userId = userId;
        this.messages = List.copyOf(messages);
        this.stream = stream;
    }

    ChatRequest streamed(boolean stream) {
        return new ChatRequest(model, userId, messages, stream);
    }

    public String getModel() {
        return model;
    }

    /** 放在 x-ferry-user 里，不在正文里。 */
    @JsonIgnore
    public String getUserId() {
        return userId;
    }

    public List<Message> getMessages() {
        return messages;
    }

    public boolean isStream() {
        return stream;
    }
}
