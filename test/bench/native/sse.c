/* Load of streams: one epoll thread, loopback only.
 *
 *   sse -p PORT -P PATH [-H "Name: value"]... -b BODY -c CONNECTIONS -d SECONDS [-w WARMUP_S] [-r CONNECTIONS_PER_S] [-o]
 *
 * Each connection posts BODY, reads the stream to its end and asks again (-o: only once). An event's latency is the time
 * since the mock vendor stamped it, whatever stands around the stamp. Counting begins WARMUP_S after the last connection
 * was opened (-o: and when all streams have begun, or 30 s later), with a line on stderr, and ends with one JSON object
 * on stdout.
 */
#include "histogram.h"

enum state { CONNECTING, HEAD, SIZE, EXTENSION, DATA, DATA_END, TRAILER, WITH_LENGTH, UNTIL_CLOSE, IDLE };

typedef struct {
  int fd, state, status, line_length;
  int digits; /* of a stamp that is being read; 1 after its T */
  long left, events;
  uint64_t sent_at, stamp;
  char head[8192];
  size_t head_length;
} connection;

static histogram first_event, each_event;
static uint64_t events, streams, errors;
static int counting, once, open_count, begun, poller;
static char *request, first_error[512];
static size_t request_length;
static struct sockaddr_in address;

static void fail(connection *c, const char *why) {
  errors++;
  if (!first_error[0]) snprintf(first_error, sizeof first_error, "%s; status %d; %.300s", why, c->status, c->head);
}

static void shut(connection *c) {
  if (c->fd < 0) return;
  close(c->fd);
  c->fd = -1;
  open_count--;
}

static void ask(connection *c) {
  c->state = HEAD;
  c->head_length = 0;
  c->events = c->digits = 0;
  c->sent_at = now_ns();
  if (send(c->fd, request, request_length, MSG_NOSIGNAL) == (ssize_t)request_length) return;
  fail(c, "the request was not taken");
  shut(c);
}

static void connect_to(connection *c) {
  struct epoll_event writable = {.events = EPOLLOUT, .data.ptr = c};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  c->state = CONNECTING;
  open_count++;
  no_delay(c->fd);
  if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) {
    fail(c, strerror(errno));
    shut(c);
  } else epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &writable);
}

static void on_connected(connection *c) {
  int error = 0;
  socklen_t size = sizeof error;
  struct epoll_event readable = {.events = EPOLLIN, .data.ptr = c};
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &readable);
  if (error == 0) return ask(c);
  fail(c, strerror(error));
  shut(c);
}

static void on_stamp(connection *c, uint64_t now) {
  begun += ++c->events == 1;
  if (!counting) return;
  events++;
  observe(&each_event, now > c->stamp ? now - c->stamp : 0);
  if (c->events == 1) observe(&first_event, now - c->sent_at);
}

/* Looks for T and 16 digits, which may come in pieces. */
static void scan(connection *c, const char *p, size_t n, uint64_t now) {
  for (const char *end = p + n; p < end;) {
    if (c->digits == 0) {
      p = memchr(p, 'T', (size_t)(end - p));
      if (!p) return;
      p++;
      c->digits = 1;
      c->stamp = 0;
    } else if (*p < '0' || *p > '9') c->digits = 0;
    else {
      c->stamp = c->stamp * 10 + (uint64_t)(*p++ - '0');
      if (++c->digits < 17) continue;
      c->digits = 0;
      on_stamp(c, now);
    }
  }
}

static void complete(connection *c) {
  c->state = IDLE;
  if (c->status != 200 || c->events == 0) fail(c, "no stream");
  else if (counting) streams++;
  if (once) return;
  if (!strcasestr(c->head, "\nconnection: close")) return ask(c);
  shut(c);
  connect_to(c);
}

static void on_head(connection *c) {
  c->head[c->head_length] = 0;
  c->status = atoi(c->head + 9);
  const char *length = strcasestr(c->head, "\ncontent-length:");
  c->left = length ? atol(length + 16) : 0;
  c->state = strcasestr(c->head, "chunked") ? SIZE : length ? WITH_LENGTH : UNTIL_CLOSE;
  if (c->state == WITH_LENGTH && c->left == 0) complete(c);
}

static void on_size_digit(connection *c, char digit) {
  if (digit >= '0' && digit <= '9') c->left = c->left * 16 + digit - '0';
  else if ((digit | 32) >= 'a' && (digit | 32) <= 'f') c->left = c->left * 16 + (digit | 32) - 'a' + 10;
  else if (digit == ';') c->state = EXTENSION;
}

static size_t take_data(connection *c, const char *p, size_t n, uint64_t now) {
  size_t taken = n < (size_t)c->left ? n : (size_t)c->left;
  scan(c, p, taken, now);
  c->left -= (long)taken;
  if (c->left > 0) return taken;
  if (c->state == WITH_LENGTH) complete(c);
  else c->state = DATA_END;
  return taken;
}

static void take_byte(connection *c, char byte) {
  if (c->state == HEAD) {
    if (c->head_length == sizeof c->head - 1) c->head_length = 0;
    c->head[c->head_length++] = byte;
    if (c->head_length >= 4 && memcmp(c->head + c->head_length - 4, "\r\n\r\n", 4) == 0) on_head(c);
  } else if (c->state == TRAILER) {
    if (byte == '\n' && c->line_length == 0) complete(c);
    else c->line_length = byte == '\n' ? 0 : c->line_length + (byte != '\r');
  } else if (byte == '\n') {
    if (c->state == DATA_END) c->state = SIZE, c->left = 0;
    else c->state = c->left > 0 ? DATA : TRAILER, c->line_length = 0;
  } else if (c->state == SIZE) on_size_digit(c, byte);
}

static void take(connection *c, const char *p, size_t n, uint64_t now) {
  for (size_t i = 0; i < n && c->fd >= 0 && c->state != IDLE;) {
    if (c->state == DATA || c->state == WITH_LENGTH) i += take_data(c, p + i, n - i, now);
    else if (c->state == UNTIL_CLOSE) return scan(c, p + i, n - i, now);
    else take_byte(c, p[i++]);
  }
}

static void on_readable(connection *c) {
  static char buffer[262144];
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n > 0) return take(c, buffer, (size_t)n, now_ns());
  if (n < 0 && errno == EAGAIN) return;
  if (c->state == UNTIL_CLOSE && n == 0) return complete(c);
  if (c->state != IDLE) fail(c, n == 0 ? "closed before its end" : strerror(errno));
  shut(c);
}

static void print_result(double seconds, const connection *all, int count) {
  int held = 0;
  for (int i = 0; i < count; i++) held += all[i].fd >= 0 && all[i].events > 0 && all[i].state != IDLE;
  for (char *p = first_error; *p; p++)
    if (*p == '"' || *p == '\\' || (unsigned char)*p < 32) *p = ' ';
  printf("{\"seconds\":%.4f,\"streams\":%lu,\"held\":%d,\"events\":%lu,\"errors\":%lu,\"firstError\":\"%s\","
         "\"firstUs\":{\"p50\":%.1f,\"p99\":%.1f},\"eventUs\":{\"p50\":%.1f,\"p99\":%.1f}}\n",
         seconds, streams, held, events, errors, first_error, percentile_us(&first_event, .5),
         percentile_us(&first_event, .99), percentile_us(&each_event, .5), percentile_us(&each_event, .99));
}

int main(int argc, char **argv) {
  int port = 0, count = 1, started = 0;
  double seconds = 5, warmup = 0.5, per_second = 1e9;
  const char *path = "/", *body = "";
  char headers[4096] = "";
  for (int option; (option = getopt(argc, argv, "p:P:H:b:c:d:w:r:o")) != -1;) {
    if (option == 'p') port = atoi(optarg);
    else if (option == 'P') path = optarg;
    else if (option == 'b') body = optarg;
    else if (option == 'c') count = atoi(optarg);
    else if (option == 'd') seconds = atof(optarg);
    else if (option == 'w') warmup = atof(optarg);
    else if (option == 'r') per_second = atof(optarg);
    else if (option == 'o') once = 1;
    else if (option == 'H') snprintf(headers + strlen(headers), sizeof headers - strlen(headers), "%s\r\n", optarg);
    else return 2;
  }
  start_process();
  address = loopback(port);
  request_length = (size_t)asprintf(&request,
                                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                                    "Accept: text/event-stream\r\n%sContent-Length: %zu\r\n\r\n%s",
                                    path, port, headers, strlen(body), body);
  poller = epoll_create1(0);
  connection *all = calloc((size_t)count, sizeof *all);
  uint64_t began = now_ns(), all_at = 0, count_at = 0, end_at = 0, now = began;
  for (struct epoll_event ready[512];;) {
    for (; started < count && started <= (double)(now - began) / 1e9 * per_second; started++) connect_to(&all[started]);
    if (started == count && all_at == 0) all_at = now;
    if (all_at && end_at == 0 && (!once || begun == count || now - all_at > 30000000000ull)) {
      count_at = now + (uint64_t)(warmup * 1e9);
      end_at = count_at + (uint64_t)(seconds * 1e9);
    }
    if (end_at && !counting && now >= count_at) {
      counting = 1;
      count_at = now;
      fprintf(stderr, "counting\n");
    }
    if (end_at && (now >= end_at || open_count == 0)) break;
    int n = epoll_wait(poller, ready, 512, started < count ? 1 : 20);
    for (int i = 0; i < n; i++) {
      connection *c = ready[i].data.ptr;
      if (c->fd < 0) continue;
      if (c->state == CONNECTING) on_connected(c);
      else on_readable(c);
    }
    now = now_ns();
  }
  print_result(counting ? (double)(now - count_at) / 1e9 : 0, all, count);
  /* The connections end only when who started us has read the result, so that their end is not counted. */
  fflush(stdout);
  getchar();
  return errors > 0 && events == 0;
}
