package com.example.voicebox.app.device.llm;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

/** 演示：chat 完整回答，stream 逐段，speak 按句，interrupt 说完一句就被用户打断。 */
public final class VoiceBox {
    private static final PrintStream OUT = new PrintStream(System.out, true, java.nio.charset.StandardCharsets.UTF_8);

    private final LLMProxyService service;
    private final String provider;
    private final ChatRequest request;

    private VoiceBox(LLMProxyService service, String provider, ChatRequest request) {
        this.service = service;
        this.provider = provider;
        this.request = request;
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        String mode = args.length > 0 ? args[0] : "speak";
        String question = args.length > 1 ? args[1] : "今天适合去海边吗？";
        LLMProxyService service = new LLMProxyService(LLMProxyConfig.load(Path.of("config.properties")));
        String provider = environment("PROVIDER", "anthropic");
        String model = environment("MODEL", "claude-haiku-4-5");
        VoiceBox box = new VoiceBox(service, provider, ChatRequest.of(model, "设备-001", question));
        try {
            box.run(mode);
        } catch (RateLimitException e) {
            OUT.printf("%n[%s] %s（%s）%n", e.code(), e.getMessage(), e.detail());
            System.exit(2);
        } catch (LLMException e) {
            OUT.printf("%n[%s] %s（设备会说：%s）%n", e.code(), e.getMessage(), e.spokenText());
            System.exit(1);
        }
    }

    private static String environment(String name, String fallback) {
        return System.getenv().getOrDefault(name, fallback);
    }

    private void run(String mode) throws InterruptedException {
        switch (mode) {
            case "chat" -> OUT.println(service.chat(provider, request).content());
            case "stream" -> {
                try (ChatStream stream = service.stream(provider, request)) {
                    stream.forEach(OUT::print);
                }
                OUT.println();
            }
            case "speak" -> service.speak(provider, request, sentence -> OUT.println("♪ " + sentence));
            case "interrupt" -> interrupt();
            default -> throw new IllegalArgumentException("chat、stream、speak 或 interrupt，而不是 " + mode);
        }
    }

    private void interrupt() throws InterruptedException {
        ChatStream stream = service.stream(provider, request);
        SentenceSplitter sentences = new SentenceSplitter(sentence -> {
            OUT.println("♪ " + sentence);
            stream.close();
        });
        try {
            stream.forEach(sentences::push);
        } catch (LLMException e) {
            if (!e.code().equals("client_closed")) {
                throw e;
            }
            OUT.println("（已打断）");
        }
    }
}
