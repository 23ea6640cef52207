package com.example.voicebox.app.device.llm;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** 代理的配置，来自 config.properties。 */
public record LLMProxyConfig(URI baseUrl, String apiKey, Duration timeout, int maxRetries) {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{(\\w+):([^}]*)}");

    public static LLMProxyConfig load(Path file) throws IOException {
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        String apiKey = text(properties, "llm.proxy.api-key", "");
        if (apiKey.isBlank()) {
            throw new IllegalArgumentException("缺少 llm.proxy.api-key：设置 FERRY_KEY，或写入 " + file);
        }
        return new LLMProxyConfig(
                URI.create(text(properties, "llm.proxy.base-url", "http://127.0.0.1:8080").replaceAll("/+$", "")),
                apiKey,
                Duration.ofMillis(number(properties, "llm.proxy.timeout", 60_000)),
                number(properties, "llm.proxy.max-retries", 3));
    }

    private static String text(Properties properties, String name, String fallback) {
        Matcher matcher = PLACEHOLDER.matcher(properties.getProperty(name, fallback).trim());
        return matcher.replaceAll(found -> {
            String value = System.getenv(found.group(1));
            return Matcher.quoteReplacement(value == null || value.isBlank() ? found.group(2) : value);
        });
    }

    private static int number(Properties properties, String name, int fallback) {
        String value = text(properties, name, String.valueOf(fallback));
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + " 应为整数，而不是 " + value, e);
        }
    }
}
