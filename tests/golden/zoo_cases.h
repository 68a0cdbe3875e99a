/* zoo_cases.h - what the files of tools/make_zoo_goldens.py and make_gradient_goldens.py hold, and comparing with it.
 */
#ifndef WK_TEST_ZOO_CASES_H
#define WK_TEST_ZOO_CASES_H

#include "golden/zoo_weights.h"

#define SAMPLES 32
#define MAX_LAYERS 16

typedef struct layer {
  char name[64];
  int height, width, channels;
  double rms, sample[SAMPLES];
} layer;

typedef struct golden_case {
  char arch[64];
  int height, width, layers;
  layer layer[MAX_LAYERS];
} golden_case;

/* Reads the next case; false at the end. `line` holds what was read ahead. */
static inline bool read_case(golden_case *c, FILE *f, char *line, int cap) {
  while (strncmp(line, "case ", 5) != 0)
    if (!fgets(line, cap, f))
      return false;
  assert_int_equal(sscanf(line, "case %63s %d %d", c->arch, &c->height, &c->width), 3);
  c->layers = 0;
  for (line[0] = 0; fgets(line, cap, f) && strncmp(line, "layer ", 6) == 0; line[0] = 0) {
    assert_true(c->layers < MAX_LAYERS);
    layer *l = &c->layer[c->layers++];
    int used = 0;
    assert_int_equal(
        sscanf(line, "layer %63s %d %d %d %lf%n", l->name, &l->height, &l->width, &l->channels, &l->rms, &used), 5);
    char *at = line + used;
    for (int i = 0; i < SAMPLES; i++)
      l->sample[i] = strtod(at, &at);
  }
  return true;
}

/* `tolerance`: of the root mean square and of the largest sample. */
static inline void compare(const golden_case *c, const layer *l, const float *got, double tolerance) {
  size_t count = (size_t)l->height * (size_t)l->width * (size_t)l->channels;
  double largest = 0, squares = 0;
  for (int i = 0; i < SAMPLES; i++)
    largest = fmax(largest, fabs(l->sample[i]));
  for (size_t i = 0; i < count; i++)
    squares += (double)got[i] * got[i];
  double rms = sqrt(squares / (double)count);
  if (!(fabs(rms - l->rms) <= tolerance * l->rms))
    fail_msg("%s at %dx%d: %s has root mean square %.7g, expected %.7g", c->arch, c->height, c->width, l->name, rms,
             l->rms);
  for (size_t i = 0; i < SAMPLES; i++) {
    size_t at = (size_t)((i * UINT64_C(2654435761) + 12345) % count);
    if (!(fabs(got[at] - l->sample[i]) <= tolerance * largest))
      fail_msg("%s at %dx%d: %s[%zu] is %.7g, expected %.7g", c->arch, c->height, c->width, l->name, at, got[at],
               l->sample[i]);
  }
}

#endif
