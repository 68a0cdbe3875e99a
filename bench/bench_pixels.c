/* bench_pixels.c - how long it takes from the bytes of a photo to a network's input, on one thread: decode, resize,
 * crop, normalise. bench/peers/pixels_pillow.py does the same with Pillow and runs both in turns.
 *
 *   bench_pixels            pictures made here, of two sizes, as they are and augmented
 *   bench_pixels PHOTO...   milliseconds a photo, as one JSON object
 */
#include <math.h>
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

typedef struct bench {
  wk_preprocess p;
  wk_augment augment;
  uint8_t *rgb;
  float *input;
  double pixels, normalise; /* seconds so far */
  uint64_t photos;
} bench;

static int fail(const char *what, const wk_error *err) {
  fprintf(stderr, "bench_pixels: %s: %s\n", what, err->message);
  return 1;
}

/* One photo through everything. */
static int run(bench *b, const char *name, const void *bytes, size_t size) {
  wk_error err = {0};
  const wk_augment_key key = {.seed = 42, .photo = b->photos};
  double start = now();
  wk_status st = wk_augment_is_off(&b->augment) ? wk_preprocess_bytes(b->rgb, bytes, size, &b->p, &err)
                                                : wk_augment_bytes(b->rgb, bytes, size, &b->p, &b->augment, &key, &err);
  double middle = now();
  if (st != WK_OK)
    return fail(name, &err);
  wk_preprocess_normalise(b->input, b->rgb, &b->p);
  b->pixels += middle - start;
  b->normalise += now() - middle;
  b->photos++;
  return 0;
}

static int run_files(bench *b, char **path, int n) {
  for (int i = 0; i < n; i++) {
    FILE *f = fopen(path[i], "rb");
    static uint8_t bytes[64 << 20];
    size_t size = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
      fclose(f);
    if (run(b, path[i], bytes, size))
      return 1;
  }
  printf("{\"photos\": %d, \"pixels_ms\": %.4f, \"normalise_ms\": %.4f, \"total_ms\": %.4f}\n", n, 1e3 * b->pixels / n,
         1e3 * b->normalise / n, 1e3 * (b->pixels + b->normalise) / n);
  return 0;
}

/* Waves and grain: about as many bytes a pixel as a photo has. */
static int make_photo(uint8_t **bytes, size_t *size, int width, int height) {
  wk_error err = {0};
  wk_image image;
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  if (wk_image_alloc(&image, width, height, &err) != WK_OK)
    return fail("memory", &err);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      uint8_t *p = image.pixels + ((size_t)y * (size_t)width + (size_t)x) * 3;
      double grain = wk_rng_uniform(&rng) * 16, wave = 60 * sin(x * 0.05 + y * 0.02) + 40 * sin(y * 0.11 - x * 0.03);
      for (int c = 0; c < 3; c++)
        p[c] = (uint8_t)(110 + wave * (1 - 0.3 * c) + grain);
    }
  wk_status st = wk_image_encode_jpeg(bytes, size, &image, 90, &err);
  wk_image_free(&image);
  return st == WK_OK ? 0 : fail("JPEG", &err);
}

static int run_made(bench *b) {
  static const int sides[][2] = {{500, 375}, {4000, 3000}};
  static const char *const augment[] = {"none", "light", "standard", "strong"};
  for (int i = 0; i < 2; i++) {
    uint8_t *bytes;
    size_t size;
    if (make_photo(&bytes, &size, sides[i][0], sides[i][1]))
      return 1;
    printf("%4d x %4d JPEG of %7zu bytes to %d x %d floats:", sides[i][0], sides[i][1], size, b->p.width, b->p.height);
    for (int j = 0; j < 4; j++) {
      wk_error err = {0};
      if (wk_augment_parse(&b->augment, augment[j], &err) != WK_OK)
        return fail(augment[j], &err);
      b->pixels = b->normalise = 0, b->photos = 0;
      while (b->photos < 20 || b->pixels < 0.5)
        if (run(b, "picture", bytes, size))
          return 1;
      printf("  %s %.2f ms", j ? augment[j] : "plain", 1e3 * (b->pixels + b->normalise) / (double)b->photos);
    }
    printf("\n");
    wk_free(bytes);
  }
  return 0;
}

int main(int argc, char **argv) {
  bench b = {0};
  wk_preprocess_init(&b.p);
  wk_augment_init(&b.augment);
  size_t n = (size_t)b.p.width * (size_t)b.p.height * 3;
  b.rgb = malloc(n);
  b.input = malloc(n * sizeof *b.input);
  int failed = !b.rgb || !b.input || (argc > 1 ? run_files(&b, argv + 1, argc - 1) : run_made(&b));
  free(b.rgb);
  free(b.input);
  return failed;
}
