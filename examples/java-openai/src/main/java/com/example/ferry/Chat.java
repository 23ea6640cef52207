package com.example.ferry;

import com.fasterxml.jackson.annotation.JsonClassDescription;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import com.fasterxml.jackson.annotation.JsonTypeName;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.OpenAIException;
import com.openai.errors.OpenAIServiceException;
import com.openai.errors.RateLimitException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionMessage;
import com.openai.models.chat.completions.ChatCompletionMessageFunctionToolCall;
import com.openai.models.chat.completions.ChatCompletionMessageToolCall;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import com.openai.models.embeddings.EmbeddingCreateParams;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The openai package for Java, unchanged, at LLM Ferry: one client and one format for every vendor. */
public final class Chat {
    private static final List<String> MODELS =
            List.of("openai/gpt-5.4-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-3.5-flash");
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final OpenAIClient client;

    private Chat(OpenAIClient client) {
        this.client = client;
    }

    public static void main(String[] args) {
        OpenAIClient client = OpenAIOkHttpClient.builder()
                .baseUrl(System.getenv().getOrDefault("FERRY_URL", "http://127.0.0.1:8080") + "/v1")
                .apiKey(System.getenv("FERRY_KEY"))
                // Limits and quotas count for each end user.
                .putHeader("x-ferry-user", "user-17")
                .build();
        String task = args.length > 0 ? args[0] : "chat";
        int code = 0;
        try {
            switch (task) {
                case "chat" -> new Chat(client).chat(args.length > 1 ? args[1] : "用一句话介绍你自己。");
                case "tools" -> new Chat(client).tools(args.length > 1 ? args[1] : MODELS.get(1));
                case "embed" -> new Chat(client).embed();
                default -> throw new IllegalArgumentException("chat [question], tools [model] or embed, not " + task);
            }
        } catch (RateLimitException error) {
            // The package has already waited and tried again where that could help.
            OUT.println("[" + error.code().orElse("?") + "] slow down: " + error.getMessage());
            code = 1;
        } catch (OpenAIServiceException error) {
            OUT.println("[" + error.code().orElse("?") + "] " + error.getMessage());
            code = 1;
        } catch (OpenAIException error) {
            OUT.println("[network_error] " + error.getMessage());
            code = 1;
        } finally {
            client.close();
        }
        System.exit(code);
    }

    private void chat(String question) {
        for (String model : MODELS) stream(model, question);
        ChatCompletion whole = client.chat().completions().create(request(MODELS.get(1), "Hello").build());
        OUT.println("whole › " + whole.choices().get(0).message().content().orElse(""));
        OUT.println("models › " + client.models().list().data().size());
    }

    private void stream(String model, String question) {
        OUT.print(model + " › ");
        ChatCompletionCreateParams params = request(model, question)
                .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        // Closing it early ends the vendor's call too.
        try (StreamResponse<ChatCompletionChunk> stream = client.chat().completions().createStreaming(params)) {
            stream.stream().forEach(chunk -> {
                chunk.choices().stream().findFirst().flatMap(choice -> choice.delta().content()).ifPresent(OUT::print);
                chunk.usage().ifPresent(usage -> OUT.print(" (" + usage.totalTokens() + " tokens)"));
            });
        }
        OUT.println();
    }

    /** The tool's arguments; the package makes the JSON schema of them. */
    @JsonTypeName("weather")
    @JsonClassDescription("Tells the weather of a city")
    public static final class Weather {
        @JsonPropertyDescription("such as 上海")
        public String city;
    }

    private void tools(String model) {
        ChatCompletionCreateParams.Builder conversation = request(model, "上海天气怎么样？").addTool(Weather.class);
        ChatCompletionMessage asked = client.chat().completions().create(conversation.build()).choices().get(0).message();
        // The whole message goes back, with what it has beyond the package's own fields (reasoning_details).
        conversation.addMessage(asked);
        for (ChatCompletionMessageToolCall call : asked.toolCalls().orElse(List.of())) {
            ChatCompletionMessageFunctionToolCall tool = call.asFunction();
            Weather arguments = tool.function().arguments(Weather.class);
            OUT.println("tool › " + tool.function().name() + " " + arguments.city);
            conversation.addMessage(ChatCompletionToolMessageParam.builder()
                    .toolCallId(tool.id())
                    .content("24 °C")
                    .build());
        }
        ChatCompletion answer = client.chat().completions().create(conversation.build());
        OUT.println("answer › " + answer.choices().get(0).message().content().orElse(""));
    }

    private void embed() {
        EmbeddingCreateParams params = EmbeddingCreateParams.builder()
                .model("openai/text-embedding-3-small")
                .input("你好")
                .build();
        OUT.println("dimensions › " + client.embeddings().create(params).data().get(0).embedding().size());
    }

    private static ChatCompletionCreateParams.Builder request(String model, String question) {
        return ChatCompletionCreateParams.builder().model(model).addUserMessage(question);
    }
}
