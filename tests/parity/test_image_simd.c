/* test_image_simd.c - the pixel kernels of every instruction set this machine has give the bytes of a plain loop, over
 * ragged sizes. */
#include "image/kernels.h"
#include "image/resize.h"
#include "support.h"

enum { MAX_WIDTH = 131, MAX_TAPS = 9 };

static uint8_t clamp(int32_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static void fill(void *to, size_t n, uint64_t stream) {
  wk_rng rng;
  wk_rng_init(&rng, 7, stream);
  for (size_t i = 0; i < n; i++)
    ((uint8_t *)to)[i] = (uint8_t)wk_rng_u32(&rng);
}

/* Coefficients as large as bicubic ones get, on both sides of 0. */
static void fill_coef(int32_t *to, size_t n, uint64_t stream) {
  wk_rng rng;
  wk_rng_init(&rng, 8, stream);
  for (size_t i = 0; i < n; i++)
    to[i] = (int32_t)wk_rng_below(&rng, 1 << 21) - (1 << 19);
}

static void test_across(void **state) {
  (void)state;
  static uint8_t mixed[16 * (MAX_WIDTH + MAX_TAPS)], got[4][3 * MAX_WIDTH + 4];
  static int32_t coef[MAX_WIDTH * MAX_TAPS];
  wk_taps taps[MAX_WIDTH];
  fill(mixed, sizeof mixed, 1);
  fill_coef(coef, MAX_WIDTH * MAX_TAPS, 2);
  for (int i = 0; i < MAX_WIDTH; i++)
    taps[i] = (wk_taps){i, 1 + i % MAX_TAPS};
  for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
    for (size_t width = 1; width <= MAX_WIDTH; width += width < 20 ? 1 : 37) {
      memset(got, 0xee, sizeof got);
      wk_pixel_kernels_for((wk_isa)isa)
          .across((uint8_t *const[4]){got[0], got[1], got[2], got[3]}, mixed, taps, coef, MAX_TAPS, width);
      for (size_t x = 0; x < width; x++)
        for (size_t i = 0; i < 12; i++) {
          int32_t sum = 1 << (WK_RESAMPLE_BITS - 1);
          for (int t = 0; t < taps[x].count; t++)
            sum +=
                mixed[16 * ((size_t)taps[x].first + (size_t)t) + 4 * (i / 3) + i % 3] * coef[x * MAX_TAPS + (size_t)t];
          assert_int_equal(got[i / 3][3 * x + i % 3], clamp(sum >> WK_RESAMPLE_BITS));
        }
      for (int row = 0; row < 4; row++)
        for (size_t i = 3 * width + 1; i < sizeof got[0]; i++)
          assert_int_equal(got[row][i], 0xee);
    }
}

static void test_down(void **state) {
  (void)state;
  enum { PITCH = 400 };
  static uint8_t src[PITCH * MAX_TAPS], got[PITCH];
  int32_t coef[MAX_TAPS];
  fill(src, sizeof src, 3);
  fill_coef(coef, MAX_TAPS, 4);
  for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
    for (size_t n = 1; n < PITCH; n += n < 140 ? 1 : 29)
      for (size_t taps = 1; taps <= MAX_TAPS; taps += 2) {
        memset(got, 0xee, sizeof got);
        wk_pixel_kernels_for((wk_isa)isa).down(got, src, PITCH, coef, taps, n);
        for (size_t i = 0; i < n; i++) {
          int32_t sum = 1 << (WK_RESAMPLE_BITS - 1);
          for (size_t t = 0; t < taps; t++)
            sum += src[t * PITCH + i] * coef[t];
          assert_int_equal(got[i], clamp(sum >> WK_RESAMPLE_BITS));
        }
        assert_int_equal(got[n], 0xee);
      }
}

static void test_normalise(void **state) {
  (void)state;
  enum { MAX = 300 };
  static uint8_t rgb[MAX];
  static float got[MAX + 1];
  const float mean[3] = {123.675f, 116.28f, 103.53f}, factor[3] = {0.0171f, 0.01751f, 0.0174f};
  fill(rgb, sizeof rgb, 5);
  for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
    for (size_t n = 3; n <= MAX; n += 3) {
      got[n] = -1;
      wk_pixel_kernels_for((wk_isa)isa).normalise(got, rgb, n, mean, factor);
      for (size_t i = 0; i < n; i++) {
        float want = ((float)rgb[i] - mean[i % 3]) * factor[i % 3];
        assert_memory_equal(got + i, &want, sizeof want);
      }
      assert_true(got[n] == -1);
    }
}

/* Whole resizes, and any window of one. */
static void test_resample(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 9, 0);
  for (int round = 0; round < 60; round++) {
    wk_image in;
    wk_resample r = {.filter = (wk_filter)(round % 3), .either_way = round % 2};
    assert_ok(wk_image_alloc(&in, 1 + (int)wk_rng_below(&rng, 90), 1 + (int)wk_rng_below(&rng, 90), &err), &err);
    fill(in.pixels, (size_t)in.width * (size_t)in.height * 3, (uint64_t)round);
    r.width = 1 + (int)wk_rng_below(&rng, 120), r.height = 1 + (int)wk_rng_below(&rng, 120);
    r.box[2] = in.width - wk_rng_uniform(&rng) * 0.5, r.box[3] = in.height - wk_rng_uniform(&rng) * 0.5;
    r.box[0] = wk_rng_uniform(&rng) * 0.3, r.box[1] = wk_rng_uniform(&rng) * 0.3;
    r.w = r.width, r.h = r.height;
    size_t pitch = (size_t)r.width * 3, n = pitch * (size_t)r.height;
    uint8_t *want = malloc(n), *got = malloc(n);
    assert_ok(wk_resample_run(want, pitch, &in, &r, WK_ISA_C, &err), &err);
    for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++) {
      assert_ok(wk_resample_run(got, pitch, &in, &r, (wk_isa)isa, &err), &err);
      assert_memory_equal(got, want, n);
      wk_resample part = r;
      part.x = (int)wk_rng_below(&rng, (uint32_t)r.width), part.y = (int)wk_rng_below(&rng, (uint32_t)r.height);
      part.w = 1 + (int)wk_rng_below(&rng, (uint32_t)(r.width - part.x));
      part.h = 1 + (int)wk_rng_below(&rng, (uint32_t)(r.height - part.y));
      size_t part_pitch = (size_t)part.w * 3;
      assert_ok(wk_resample_run(got, part_pitch, &in, &part, (wk_isa)isa, &err), &err);
      for (int y = 0; y < part.h; y++)
        assert_memory_equal(got + (size_t)y * part_pitch, want + (size_t)(part.y + y) * pitch + (size_t)part.x * 3,
                            part_pitch);
    }
    free(want);
    free(got);
    wk_image_free(&in);
  }
}

int main(void) {
  printf("instruction sets: up to %s\n", wk_isa_name(wk_cpu_isa()));
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_across), cmocka_unit_test(test_down),
                                     cmocka_unit_test(test_normalise), cmocka_unit_test(test_resample)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
