// A long, lossy line between two network namespaces, packet by packet.
//
//   line NAMESPACE_HOME NAMESPACE_ABROAD
//
// Makes a device "wan0" in each and moves packets between the two: each waits half of the round trip, and some are lost.
// Orders come on stdin, one a line, each answered with one line:
//   rtt MS | loss PERCENT (abroad -> home) | rate MBIT | bytes (moved to abroad and to home since the last time)
// It ends with its stdin, and its devices with it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384
#define MOST_BYTES 2048
#define MOST_BACKLOG_NS 100000000ull // what is further behind the rate than this is dropped, as a router would

struct packet { uint64_t due; uint16_t size; uint8_t bytes[MOST_BYTES]; };
struct direction {
  int from, to;
  double loss;
  uint64_t free_at, moved;
  uint32_t head, tail;
  struct packet *ring;
};

static uint64_t half_rtt_ns = 100000000ull;
static double ns_per_byte = 80; // 100 Mbit/s
static uint64_t seed = 88172645463325252ull;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double chance(void) { // xorshift64, always from the same seed
  seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
  return (seed >> 11) * (1.0 / 9007199254740992.0);
}

static void fail(const char *what) { perror(what); exit(1); }

static int open_device(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) fail(path);
  close(space);
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {0};
  strcpy(request.ifr_name, "wan0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) fail("/dev/net/tun");
  return device;
}

static void take(struct direction *d) {
  for (;;) {
    struct packet *p = &d->ring[d->tail % SLOTS];
    ssize_t size = read(d->from, p->bytes, MOST_BYTES);
    if (size <= 0) return;
    uint64_t now = now_ns();
    if (d->free_at < now) d->free_at = now;
    if (d->tail - d->head >= SLOTS - 1 || d->free_at - now > MOST_BACKLOG_NS) continue;
    d->free_at += (uint64_t)(size * ns_per_byte);
    d->moved += size;
    if (chance() * 100 < d->loss) continue;
    p->due = d->free_at + half_rtt_ns;
    p->size = (uint16_t)size;
    d->tail++;
  }
}

static void give(struct direction *d, uint64_t now) {
  while (d->head != d->tail && d->ring[d->head % SLOTS].due <= now) {
    struct packet *p = &d->ring[d->head % SLOTS];
    if (write(d->to, p->bytes, p->size) < 0 && errno != EAGAIN && errno != EIO) fail("wan0");
    d->head++;
  }
}

static void obey(char *order, struct direction *up, struct direction *down) {
  double value = 0;
  if (sscanf(order, "rtt %lf", &value) == 1) half_rtt_ns = (uint64_t)(value * 500000);
  else if (sscanf(order, "loss %lf", &value) == 1) down->loss = value;
  else if (sscanf(order, "rate %lf", &value) == 1 && value > 0) ns_per_byte = 8000 / value;
  else if (strncmp(order, "bytes", 5) == 0) {
    printf("%llu %llu\n", (unsigned long long)up->moved, (unsigned long long)down->moved);
    up->moved = down->moved = 0;
    return;
  }
  puts("ok");
}

int main(int count, char **names) {
  if (count != 3) { fputs("line NAMESPACE_HOME NAMESPACE_ABROAD\n", stderr); return 2; }
  setvbuf(stdout, NULL, _IOLBF, 0);
  int home = open_device(names[1]), abroad = open_device(names[2]);
  struct direction up = {.from = home, .to = abroad, .ring = calloc(SLOTS, sizeof(struct packet))};
  struct direction down = {.from = abroad, .to = home, .ring = calloc(SLOTS, sizeof(struct packet))};
  if (up.ring == NULL || down.ring == NULL) fail("memory");
  puts("ready");
  char orders[512];
  size_t length = 0;
  for (;;) {
    uint64_t now = now_ns(), next = now + 1000000000ull;
    struct direction *both[] = {&up, &down};
    for (int i = 0; i < 2; i++) {
      give(both[i], now);
      if (both[i]->head != both[i]->tail && both[i]->ring[both[i]->head % SLOTS].due < next)
        next = both[i]->ring[both[i]->head % SLOTS].due;
    }
    struct pollfd polled[] = {{home, POLLIN, 0}, {abroad, POLLIN, 0}, {0, POLLIN, 0}};
    struct timespec wait = {(next - now) / 1000000000ull, (next - now) % 1000000000ull};
    ppoll(polled, 3, &wait, NULL);
    if (polled[0].revents) take(&up);
    if (polled[1].revents) take(&down);
    if (!polled[2].revents) continue;
    ssize_t size = read(0, orders + length, sizeof orders - 1 - length);
    if (size <= 0) return 0;
    length += size;
    orders[length] = 0;
    for (char *end; (end = strchr(orders, '\n')) != NULL;) {
      *end = 0;
      obey(orders, &up, &down);
      length -= end + 1 - orders;
      memmove(orders, end + 1, length + 1);
    }
    if (length == sizeof orders - 1) length = 0;
  }
}
