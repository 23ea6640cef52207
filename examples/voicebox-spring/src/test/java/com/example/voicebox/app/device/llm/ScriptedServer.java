package com.example.voicebox.app.device.llm;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpHeaders;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.netty.DisposableServer;
import reactor.netty.http.server.HttpServer;
import reactor.netty.http.server.HttpServerRequest;
import reactor.netty.http.server.HttpServerResponse;

/** 代替代理的服务端：依次给出预先写好的回答，最后一个一直有效。 */
final class ScriptedServer {
    /** 一种回答。 */
    interface Answer extends BiFunction<HttpServerRequest, HttpServerResponse, Publisher<Void>> {}

    /** 收到的一个请求。 */
    record Seen(String path, HttpHeaders headers, String body) {}

    private final List<Seen> seen = new CopyOnWriteArrayList<>();
    private final CountDownLatch left = new CountDownLatch(1);
    private final DisposableServer server = HttpServer.create().host("127.0.0.1").handle(this::handle).bindNow();
    private List<Answer> answers = List.of();

    void answers(Answer... answers) {
        this.answers = List.of(answers);
    }

    List<Seen> seen() {
        return seen;
    }

    String url() {
        return "http://127.0.0.1:" + server.port();
    }

    void stop() {
        server.dispose();
    }

    /** 等调用方在一秒内离开。 */
    void awaitLeft() {
        try {
            if (!left.await(1, TimeUnit.SECONDS)) {
                throw new AssertionError("调用方一秒后还在");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private Publisher<Void> handle(HttpServerRequest request, HttpServerResponse response) {
        request.withConnection(connection -> connection.onTerminate().doFinally(signal -> left.countDown()).subscribe());
        return request.receive().aggregate().asString().defaultIfEmpty("").flatMap(body -> {
            seen.add(new Seen("/" + request.path(), request.requestHeaders(), body));
            return Mono.from(answers.get(Math.min(seen.size(), answers.size()) - 1).apply(request, response));
        });
    }

    static Answer json(int status, String body) {
        return (request, response) ->
                response.status(status).header("content-type", "application/json").sendString(Mono.just(body));
    }

    static Answer error(int status, String code, UnaryOperator<HttpServerResponse> headers) {
        String body = "{\"error\":{\"code\":\"%s\",\"message\":\"原因\"}}".formatted(code);
        return (request, response) -> json(status, body).apply(request, headers.apply(response));
    }

    static Answer events(String... events) {
        return (request, response) -> response.header("content-type", "text/event-stream")
                .sendString(Flux.just(events).map(event -> event + "\n\n"));
    }

    /** 一个事件，然后沉默。 */
    static Answer unfinished(String event) {
        Flux<ByteBuf> bytes = Flux.defer(() -> Flux.just(Unpooled.copiedBuffer(event + "\n\n", UTF_8)));
        return (request, response) ->
                response.header("content-type", "text/event-stream").send(bytes.concatWith(Flux.never()), each -> true);
    }

    static String piece(String text) {
        return "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}".formatted(text);
    }
}
