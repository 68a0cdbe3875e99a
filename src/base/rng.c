/* rng.c - random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). There is no state to share: what is drawn depends only on (seed, stream, how many before). */
#include <math.h>

#include "base/base.h"

/* The paper's multipliers, and its key increments (golden ratio, sqrt(3) - 1). */
#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

void wk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++, k0 += W0, k1 += W1) {
    uint64_t p0 = (uint64_t)M0 * c0, p1 = (uint64_t)M1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* Key = seed; the counter's upper half = stream, its lower half counts blocks. */
void wk_rng_init(wk_rng *rng, uint64_t seed, uint64_t stream) {
  *rng = (wk_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                  .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
                  .used = 4};
}

uint32_t wk_rng_u32(wk_rng *rng) {
  if (rng->used >= 4) {
    wk_philox(rng->block, rng->counter, rng->key);
    if (++rng->counter[0] == 0)
      rng->counter[1]++;
    rng->used = 0;
  }
  return rng->block[rng->used++];
}

/* Lemire, "Fast random integer generation in an interval" (2019): multiply, and reject the few values that would make
 * some results likelier than others. */
uint32_t wk_rng_below(wk_rng *rng, uint32_t n) {
  if (n == 0)
    return 0;
  uint64_t product = (uint64_t)wk_rng_u32(rng) * n;
  if ((uint32_t)product < n) {
    uint32_t uneven = -n % n;
    while ((uint32_t)product < uneven)
      product = (uint64_t)wk_rng_u32(rng) * n;
  }
  return (uint32_t)(product >> 32);
}

double wk_rng_uniform(wk_rng *rng) {
  uint64_t high = wk_rng_u32(rng) >> 5, low = wk_rng_u32(rng) >> 6;
  return (double)(high << 26 | low) * 0x1p-53;
}

/* Box-Muller. The second value is dropped: a sequence without a memory is easier to fork and to reproduce. */
double wk_rng_normal(wk_rng *rng) {
  double radius = sqrt(-2.0 * log(1.0 - wk_rng_uniform(rng)));
  return radius * cos(6.283185307179586477 * wk_rng_uniform(rng));
}

void wk_rng_shuffle(wk_rng *rng, uint32_t *index, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t j = wk_rng_below(rng, (uint32_t)i);
    uint32_t t = index[i - 1];
    index[i - 1] = index[j];
    index[j] = t;
  }
}
