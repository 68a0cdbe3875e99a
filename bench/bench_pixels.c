/* bench_pixels.c - how long it takes from the bytes of a photo to a network's input, on one thread: decode, resize,
 * crop, normalise. bench/peers/pixels_pillow.py does the same with Pillow and runs both in turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "whisker/whisker.h"

/* Processor time: one thread is judged by its work, not by what else the machine does. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f)
    return NULL;
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  void *bytes = n > 0 ? malloc((size_t)n) : NULL;
  *size = bytes ? fread(bytes, 1, (size_t)n, f) : 0;
  fclose(f);
  return bytes;
}

/* Each step's share of the time of one photo. */
struct times {
  double pixels, normalise;
};

static int one_photo(struct times *t, const char *path, const wk_preprocess *p, uint8_t *rgb, float *input) {
  size_t size;
  void *bytes = read_file(path, &size);
  if (!bytes) {
    fprintf(stderr, "bench_pixels: %s cannot be read\n", path);
    return 1;
  }
  wk_error err;
  double start = now();
  wk_status st = wk_preprocess_bytes(rgb, bytes, size, p, &err);
  double middle = now();
  if (st == WK_OK)
    wk_preprocess_normalise(input, rgb, p);
  else
    fprintf(stderr, "bench_pixels: %s: %s\n", path, err.message);
  t->pixels += middle - start;
  t->normalise += now() - middle;
  free(bytes);
  return st != WK_OK;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: bench_pixels PHOTO...   prints milliseconds a photo\n");
    return 2;
  }
  wk_preprocess p;
  wk_preprocess_init(&p);
  size_t n = (size_t)p.width * (size_t)p.height * 3;
  uint8_t *rgb = malloc(n);
  float *input = malloc(n * sizeof *input);
  struct times t = {0};
  int failed = !rgb || !input;
  for (int i = 1; i < argc && !failed; i++)
    failed = one_photo(&t, argv[i], &p, rgb, input);
  int photos = argc - 1;
  if (!failed)
    printf("{\"photos\": %d, \"pixels_ms\": %.4f, \"normalise_ms\": %.4f, \"total_ms\": %.4f}\n", photos,
           1e3 * t.pixels / photos, 1e3 * t.normalise / photos, 1e3 * (t.pixels + t.normalise) / photos);
  free(rgb);
  free(input);
  return failed;
}
