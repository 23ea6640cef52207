package com.example.voicebox.app.device.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import reactor.test.StepVerifier;

/** 对着正在运行的 npm start：设置 FERRY_URL 和 FERRY_KEY。 */
@SpringBootTest
@EnabledIfEnvironmentVariable(named = "FERRY_KEY", matches = ".+")
class RunningBffTest {
    @Autowired
    private LLMProxyService service;

    @ParameterizedTest
    @ValueSource(strings = {"openai", "anthropic", "gemini"})
    void answersWithEachVendor(String provider) {
        ChatRequest request = new ChatRequest("some-model", "device-001", "你好");
        String answer = service.chat(provider, request).block().content();
        assertThat(answer).startsWith("你好");
        StepVerifier.create(service.stream(provider, request).reduce("", String::concat))
                .expectNext(answer)
                .verifyComplete();
    }

    @Test
    void tellsAMistakeInItsOwnWords() {
        List<ChatRequest.Message> messages = List.of(new ChatRequest.Message("robot", "你好"));
        ChatRequest wrong = new ChatRequest("some-model", "device-001", messages);
        assertThatExceptionOfType(LLMException.class)
                .isThrownBy(() -> service.chat("anthropic", wrong).block())
                .satisfies(e -> assertThat(e.getCode()).isEqualTo("invalid_request"))
                .satisfies(e -> assertThat(e.getRequestId()).startsWith("req_"));
    }
}
