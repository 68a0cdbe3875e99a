/* clock.c - the one clock that durations are measured by. */
#include <time.h>

#include "whisker/clock.h"

double wk_clock_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
