package com.example.voicebox;

import com.example.voicebox.app.device.llm.ChatRequest;
import com.example.voicebox.app.device.llm.LLMException;
import com.example.voicebox.app.device.llm.LLMProxyService;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.core.env.Environment;

/** 演示：向厂商提问，逐段打印回答。 */
@SpringBootApplication
public class VoiceBoxApplication {
    public static void main(String[] args) {
        try (var context = SpringApplication.run(VoiceBoxApplication.class, args)) {
            ask(context.getBean(LLMProxyService.class), context.getEnvironment());
        }
    }

    private static void ask(LLMProxyService service, Environment environment) {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        ChatRequest request = new ChatRequest(
                environment.getProperty("model", "claude-haiku-4-5"),
                "device-001",
                environment.getProperty("question", "今天适合去海边吗？"));
        try {
            service.stream(environment.getProperty("provider", "anthropic"), request).doOnNext(out::print).blockLast();
            out.println();
        } catch (LLMException e) {
            out.printf("%n[%s] %s%n", e.getCode(), e.getMessage());
        }
    }
}
