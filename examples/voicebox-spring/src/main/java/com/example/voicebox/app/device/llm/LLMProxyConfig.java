package com.example.voicebox.app.device.llm;

import java.time.Duration;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.client.reactive.ReactorClientHttpConnector;
import org.springframework.web.reactive.function.client.WebClient;
import reactor.netty.http.client.HttpClient;
import reactor.netty.resources.ConnectionProvider;

/** 指向代理的 WebClient。 */
@Configuration
public class LLMProxyConfig {
    private static final int CODEC_LIMIT_BYTES = 10 * 1024 * 1024;
    private static final int CONNECTIONS = 500;
    /** 比服务端的空闲时限短，避免用到刚被关闭的连接。 */
    private static final Duration IDLE = Duration.ofSeconds(30);

    @Bean
    WebClient llmWebClient(
            WebClient.Builder builder,
            @Value("${llm.proxy.base-url}") String baseUrl,
            @Value("${llm.proxy.api-key}") String apiKey) {
        if (apiKey.isBlank()) {
            throw new IllegalArgumentException("缺少 llm.proxy.api-key");
        }
        ConnectionProvider pool = ConnectionProvider.builder("llm").maxConnections(CONNECTIONS).maxIdleTime(IDLE).build();
        // Netty 自己的重发不知道请求是否已计费：重试只在 LLMProxyService 里。
        HttpClient http = HttpClient.create(pool).disableRetry(true);
        return builder.baseUrl(baseUrl)
                .clientConnector(new ReactorClientHttpConnector(http))
                .codecs(codecs -> codecs.defaultCodecs().maxInMemorySize(CODEC_LIMIT_BYTES))
                .defaultHeaders(headers -> headers.setBearerAuth(apiKey))
                .build();
    }
}
