/* Log-linear histogram of times in ns, exact to 1/64. */
#include "common.h"

typedef struct {
  uint64_t count, buckets[64 * 64];
} histogram;

static void observe(histogram *h, uint64_t value) {
  int exponent = value < 64 ? 0 : 63 - __builtin_clzll(value) - 5;
  h->count++;
  h->buckets[exponent == 0 ? value : (uint64_t)exponent * 64 + ((value >> (exponent - 1)) & 63)]++;
}

static double percentile_us(const histogram *h, double share) {
  uint64_t wanted = (uint64_t)(share * (double)h->count), seen = 0;
  if (h->count == 0) return 0;
  for (uint64_t i = 0; i < 64 * 64; i++)
    if ((seen += h->buckets[i]) > wanted) return (double)(i < 64 ? i : (64 + i % 64) << (i / 64 - 1)) / 1e3;
  return 0;
}
