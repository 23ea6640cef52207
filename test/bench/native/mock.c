/* A vendor that is never the bottleneck: one epoll thread, HTTP/1.1 keep-alive.
 *
 *   mock PORT
 *
 * The model's name, in the body or in Gemini's path, orders the answer: m-<chunks>-<interval in us>. Interval 0 writes
 * many events with one send, like a full TLS record; else each event is due one interval after the last. A plain answer
 * waits one interval. Every event holds the time at which it was written. GET /__last answers the head of the last
 * request, so that a proxy's work on it can be looked at.
 */
#include "answers.h"
#include "timers.h"
#include <sys/timerfd.h>

#define BURST 16384

typedef struct {
  timer pace; /* first, so that a timer is its connection */
  int fd, closed, shape, streaming, busy, opened, wants_out, is_chunked;
  char *in, *out;
  size_t in_length, in_room, head_length, needed; /* needed: bytes of the whole request, once its head is here */
  size_t out_length, out_sent, out_room;
  long events_left;
  uint64_t interval;
} connection;

static int poller, clock_fd;
static char last_head[16384];
static size_t last_head_length;
static connection *closed[8192]; /* freed after the turn, in which events may still name them */
static int closed_count;

static void close_connection(connection *c) {
  if (c->closed) return;
  c->closed = 1;
  timer_clear(&c->pace);
  close(c->fd);
  if (closed_count < 8192) closed[closed_count++] = c;
}

static void want_out(connection *c, int wanted) {
  if (c->wants_out == wanted) return;
  c->wants_out = wanted;
  struct epoll_event e = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

/* Sends, or queues what the socket does not take. */
static void put(connection *c, const char *bytes, size_t n) {
  if (c->out_length == c->out_sent) {
    ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      close_connection(c);
      return;
    }
    if (sent == (ssize_t)n) return;
    if (sent > 0) bytes += sent, n -= (size_t)sent;
    c->out_length = c->out_sent = 0;
  }
  if (c->out_length + n > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_length + n) * 2);
  memcpy(c->out + c->out_length, bytes, n);
  c->out_length += n;
  want_out(c, 1);
}

/* Fills the socket with events until the answer is over or the socket is full. */
static void burst(connection *c) {
  static char buffer[BURST + sizeof closing->bytes];
  while (c->busy && !c->closed && c->out_length == c->out_sent) {
    size_t n = 0;
    uint64_t now = now_ns();
    if (!c->opened) memcpy(buffer, opening[c->shape].bytes, n = opening[c->shape].length);
    c->opened = 1;
    for (; c->events_left > 0 && n + event[c->shape].length <= BURST; c->events_left--)
      n += put_event(buffer + n, c->shape, now);
    if (c->events_left == 0) {
      memcpy(buffer + n, closing[c->shape].bytes, closing[c->shape].length);
      n += closing[c->shape].length;
      c->busy = 0;
    }
    put(c, buffer, n);
  }
}

/* What is due: a plain answer, the next event, or the end. */
static void tick(connection *c, uint64_t now) {
  char bytes[sizeof event->bytes];
  if (c->streaming && c->events_left > 0) {
    c->events_left--;
    put(c, bytes, put_event(bytes, c->shape, now_ns()));
    uint64_t next = c->pace.due + c->interval;
    if (!c->closed) timer_set(&c->pace, next > now ? next : now);
    return;
  }
  const text *rest = c->streaming ? &closing[c->shape] : &whole[c->shape];
  c->busy = 0;
  put(c, rest->bytes, rest->length);
}

static int has(const char *bytes, size_t n, const char *what) { return memmem(bytes, n, what, strlen(what)) != NULL; }

static void serve_get(connection *c, const char *head) {
  static char answer[sizeof last_head + 256];
  static const char list[] = "{\"object\":\"list\",\"data\":[]}";
  int last = strncmp(head, "GET /__last", 11) == 0;
  size_t length = last ? last_head_length : sizeof list - 1;
  int n = snprintf(answer, 256, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
  memcpy(answer + n, last ? last_head : list, length);
  put(c, answer, (size_t)n + length);
}

static void serve(connection *c, const char *head, size_t head_length, size_t total) {
  const char *body = head + head_length;
  size_t line = (size_t)((char *)memchr(head, '\n', head_length) - head), body_length = total - head_length;
  if (strncmp(head, "GET ", 4) == 0) {
    serve_get(c, head);
    return;
  }
  last_head_length = head_length < sizeof last_head ? head_length : sizeof last_head;
  memcpy(last_head, head, last_head_length);
  c->shape = has(head, line, "/messages") ? ANTHROPIC : has(head, line, "enerateContent") ? GEMINI : OPENAI;
  const char *orders = memmem(head, line, "/m-", 3);
  if (!orders) orders = memmem(body, body_length, "\"m-", 3);
  unsigned long interval_us = 0;
  c->events_left = 20;
  if (orders) sscanf(orders + 3, "%ld-%lu", &c->events_left, &interval_us);
  c->streaming = c->shape == GEMINI ? has(head, line, ":streamGenerateContent")
                                    : has(body, body_length, "\"stream\":true") || has(body, body_length, "\"stream\": true");
  c->interval = interval_us * 1000;
  c->opened = 0;
  c->busy = 1;
  if (!c->streaming && c->interval == 0) tick(c, 0);
  else if (c->interval == 0) burst(c);
  else {
    if (c->streaming) put(c, opening[c->shape].bytes, opening[c->shape].length);
    if (!c->closed) timer_set(&c->pace, now_ns() + c->interval);
  }
}

/* Reads what the head says of the body. */
static void read_head(connection *c, size_t head_length) {
  size_t length = 0;
  c->head_length = head_length;
  c->is_chunked = 0;
  for (char *line = c->in; line < c->in + head_length; line = (char *)memchr(line, '\n', head_length) + 1) {
    if (strncasecmp(line, "content-length:", 15) == 0) length = strtoul(line + 15, NULL, 10);
    if (strncasecmp(line, "transfer-encoding:", 18) == 0) c->is_chunked = 1;
    if (line[0] == '\r') break;
  }
  c->needed = head_length + length;
}

/* Length of the request that stands at the beginning of the input, 0 while it is not whole. */
static size_t whole_request(connection *c) {
  if (c->needed == 0) {
    char *end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
    if (!end) return 0;
    read_head(c, (size_t)(end + 4 - c->in));
  }
  if (!c->is_chunked) return c->in_length >= c->needed ? c->needed : 0;
  char *end = memmem(c->in + c->head_length - 2, c->in_length - c->head_length + 2, "\r\n0\r\n\r\n", 7);
  return end ? (size_t)(end + 7 - c->in) : 0;
}

static void serve_requests(connection *c) {
  for (size_t total; !c->closed && !c->busy && c->in_length > 0 && (total = whole_request(c)) > 0;) {
    c->needed = 0;
    serve(c, c->in, c->head_length, total);
    memmove(c->in, c->in + total, c->in_length - total);
    c->in_length -= total;
  }
}

static void on_readable(connection *c) {
  for (;;) {
    if (c->in_room - c->in_length < 4096) c->in = realloc(c->in, c->in_room = c->in_room * 2 + 4096);
    size_t room = c->in_room - c->in_length;
    ssize_t n = recv(c->fd, c->in + c->in_length, room, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) close_connection(c);
    if (n <= 0) return;
    c->in_length += (size_t)n;
    serve_requests(c);
    if (c->closed || (size_t)n < room) return;
  }
}

static void on_writable(connection *c) {
  while (c->out_sent < c->out_length) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) close_connection(c);
    if (n < 0) return;
    c->out_sent += (size_t)n;
  }
  c->out_sent = c->out_length = 0;
  want_out(c, 0);
  if (c->busy && c->streaming && c->interval == 0) burst(c);
  serve_requests(c);
}

static void accept_all(int listener) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    connection *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    no_delay(fd);
    c->fd = fd;
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
  }
}

static void run_timers(void) {
  uint64_t ignored, now = now_ns();
  if (read(clock_fd, &ignored, sizeof ignored) < 0) return;
  for (timer *t; (t = timer_take(now));) {
    connection *c = (connection *)t;
    tick(c, now);
    serve_requests(c);
  }
}

static void arm_clock(void) {
  static uint64_t armed;
  uint64_t due = heap_size ? heap[0]->due : 0;
  if (due == armed && (due == 0 || due > now_ns())) return;
  armed = due;
  struct itimerspec at = {.it_value = {(time_t)(due / 1000000000ull), (long)(due % 1000000000ull)}};
  timerfd_settime(clock_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "mock PORT\n"), 2;
  start_process();
  prepare_answers();
  struct sockaddr_in address = loopback(atoi(argv[1]));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 8192)) return perror("mock"), 1;
  poller = epoll_create1(0);
  clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = &listener};
  struct epoll_event timing = {.events = EPOLLIN, .data.ptr = &clock_fd};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting);
  epoll_ctl(poller, EPOLL_CTL_ADD, clock_fd, &timing);
  for (struct epoll_event events[512];;) {
    arm_clock();
    int n = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < n; i++) {
      connection *c = events[i].data.ptr;
      if ((void *)c == &listener) accept_all(listener);
      else if ((void *)c == &clock_fd) run_timers();
      else {
        if (!c->closed && (events[i].events & EPOLLOUT)) on_writable(c);
        if (!c->closed && (events[i].events & ~EPOLLOUT)) on_readable(c);
      }
    }
    while (closed_count > 0) {
      connection *c = closed[--closed_count];
      free(c->in), free(c->out), free(c);
    }
  }
}
