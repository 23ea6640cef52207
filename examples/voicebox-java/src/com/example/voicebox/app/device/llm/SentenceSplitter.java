package com.example.voicebox.app.device.llm;

import java.util.function.Consumer;

/** 把文本片段拼成可以朗读的句子。用户在等第一句，所以它遇到逗号就可以送出。 */
final class SentenceSplitter {
    private static final String ENDS = "。！？；…!?\n";
    private static final String PAUSES = "，、：,:";
    /** 跟在句末标点后面、属于同一句的符号。 */
    private static final String CLOSERS = ENDS + "”’」』）)\"'";
    private static final int SHORTEST_FIRST = 6;

    private final Consumer<String> onSentence;
    private final StringBuilder pending = new StringBuilder();
    private boolean first = true;

    SentenceSplitter(Consumer<String> onSentence) {
        this.onSentence = onSentence;
    }

    void push(String piece) {
        pending.append(piece);
        for (int end = cut(); end > 0; end = cut()) {
            emit(end);
        }
    }

    /** 回答结束，送出剩下的文字。 */
    void end() {
        emit(pending.length());
    }

    /** 第一句的长度；还看不出在哪里结束时为 0。 */
    private int cut() {
        for (int i = 0; i < pending.length() - 1; i++) {
            char c = pending.charAt(i);
            boolean isEnd = ENDS.indexOf(c) >= 0 || (c == '.' && Character.isWhitespace(pending.charAt(i + 1)));
            boolean isEarly = first && i >= SHORTEST_FIRST && PAUSES.indexOf(c) >= 0;
            if (!isEnd && !isEarly) {
                continue;
            }
            int end = i + 1;
            while (end < pending.length() && CLOSERS.indexOf(pending.charAt(end)) >= 0) {
                end++;
            }
            // 收尾符号可能还在路上。
            if (end < pending.length()) {
                return end;
            }
        }
        return 0;
    }

    private void emit(int length) {
        // Markdown 记号不朗读。
        String sentence = pending.substring(0, length).replaceAll("[*#`]+", "").strip();
        pending.delete(0, length);
        if (!sentence.isEmpty()) {
            first = false;
            onSentence.accept(sentence);
        }
    }
}
