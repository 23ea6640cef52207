package com.example.voicebox.app.device.llm;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * 流式回答的文本片段，只能读一遍。
 *
 * <p>没有收到结尾 [DONE] 就断开的流会抛出 upstream_truncated：被截断的回答绝不会看起来完整。
 */
public final class ChatStream implements Iterable<String>, AutoCloseable {
    /** 沉默这么久的连接视为已断；服务端的心跳也算活动。 */
    private static final Duration LONGEST_SILENCE = Duration.ofMinutes(5);

    private final InputStream body;
    private final BufferedReader lines;
    private final String requestId;
    private volatile boolean closed;
    private volatile boolean silent = true;

    ChatStream(InputStream body, String requestId) {
        this.body = body;
        this.lines = new BufferedReader(new InputStreamReader(body, UTF_8));
        this.requestId = requestId;
        watch();
    }

    private void watch() {
        silent = true;
        CompletableFuture.delayedExecutor(LONGEST_SILENCE.toMillis(), TimeUnit.MILLISECONDS).execute(() -> {
            if (silent) {
                release();
            } else if (!closed) {
                watch();
            }
        });
    }

    @Override
    public Iterator<String> iterator() {
        return new Iterator<>() {
            private String next = readPiece();

            @Override
            public boolean hasNext() {
                return next != null;
            }

            @Override
            public String next() {
                if (next == null) {
                    throw new NoSuchElementException();
                }
                String piece = next;
                next = readPiece();
                return piece;
            }
        };
    }

    /** 下一段文本；回答完整结束时为 null。 */
    private String readPiece() {
        try {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                silent = false;
                // 以冒号开头的是心跳。
                if (!line.startsWith("data:")) {
                    continue;
                }
                String data = line.substring(5).trim();
                if (data.equals("[DONE]")) {
                    return null;
                }
                String piece = textOf(Json.parse(data));
                if (!piece.isEmpty()) {
                    return piece;
                }
            }
        } catch (IOException | IllegalArgumentException broken) {
            throw ended(broken.getMessage());
        }
        throw ended("没有收到结尾");
    }

    private String textOf(Object chunk) {
        Object error = Json.at(chunk, "error");
        if (error != null) {
            throw LLMException.streamed(error, requestId);
        }
        return Json.at(chunk, "choices", 0, "delta", "content") instanceof String text ? text : "";
    }

    private LLMException ended(String how) {
        return closed
                ? LLMException.local("client_closed", "调用已取消", requestId)
                : LLMException.local("upstream_truncated", "回答在结束之前中断：" + how, requestId);
    }

    /** 取消：关闭连接，厂商侧随之停止。可以由别的线程调用，例如用户打断时。 */
    @Override
    public void close() {
        closed = true;
        release();
    }

    private void release() {
        try {
            body.close();
        } catch (IOException ignored) {
            // 连接反正要丢弃。
        }
    }
}
