/* test_augment_golden.c - single augmentations, every byte as Pillow (and torchvision on Pillow pictures) makes them,
 * and the blur against its definition. tools/make_augment_goldens.py made the expectations. */
#include "support.h"

static uint32_t crc32_of(const uint8_t *bytes, size_t n) {
  uint32_t crc = ~UINT32_C(0);
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
  }
  return ~crc;
}

/* The same formula is in tools/make_image_goldens.py. */
static wk_image texture(int width, int height) {
  wk_image image;
  wk_error err;
  assert_ok(wk_image_alloc(&image, width, height, &err), &err);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        image.pixels[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
            (uint8_t)(((x * (3 + c)) ^ (y * (5 - c))) + (x * y >> 3));
  return image;
}

static const uint8_t fill[3] = {124, 116, 104};

static wk_filter filter_of(const char *name) {
  return strcmp(name, "nearest") == 0 ? WK_FILTER_NEAREST : WK_FILTER_BILINEAR;
}

static wk_adjust adjust_of(const char *name) {
  static const char *const names[] = {"brightness", "contrast",  "saturation", "sharpness",
                                      "hue",        "grey",      "invert",     "autocontrast",
                                      "equalize",   "posterize", "solarize",   "solarize-add"};
  for (int i = 0; i < 12; i++)
    if (strcmp(name, names[i]) == 0)
      return (wk_adjust)i;
  fail_msg("no adjustment %s", name);
  return WK_ADJUST_GREY;
}

static void check_line(const char *line) {
  char name[30];
  double v[6];
  int width, height;
  unsigned crc;
  wk_error err;
  wk_image in, out = {0};
  if (sscanf(line, "adjust %29s %lf %d %d %*d %*d %x", name, v, &width, &height, &crc) == 5) {
    out = texture(width, height);
    assert_ok(wk_image_adjust(&out, adjust_of(name), v[0], &err), &err);
  } else if (sscanf(line, "affine %29s %lf %lf %lf %lf %lf %lf %d %d %*d %*d %x", name, v, v + 1, v + 2, v + 3, v + 4,
                    v + 5, &width, &height, &crc) == 10) {
    in = texture(width, height);
    assert_ok(wk_image_affine(&out, &in, v, filter_of(name), fill, &err), &err);
    wk_image_free(&in);
  } else if (sscanf(line, "rotate %29s %lf %d %d %*d %*d %x", name, v, &width, &height, &crc) == 5) {
    in = texture(width, height);
    assert_ok(wk_image_rotate(&out, &in, v[0], filter_of(name), fill, &err), &err);
    wk_image_free(&in);
  } else {
    fail_msg("not understood: %s", line);
  }
  uint32_t got = crc32_of(out.pixels, (size_t)width * (size_t)height * 3);
  if (got != crc)
    fail_msg("CRC %08x instead of that of: %s", got, line);
  wk_image_free(&out);
}

static void test_single_changes(void **state) {
  (void)state;
  FILE *f = fopen(test_source("tests/golden/image/augment.txt"), "r");
  assert_non_null(f);
  char line[512];
  int n = 0;
  for (; fgets(line, sizeof line, f); n++)
    check_line(line);
  fclose(f);
  assert_true(n > 150);
}

/* torchvision: a two-dimensional kernel in the outer product, the picture continued by reflection, rounded. */
static void test_blur(void **state) {
  (void)state;
  enum { W = 41, H = 29 };
  static const struct {
    int kernel;
    double sigma;
  } blur[] = {{3, 0.5}, {5, 1.0}, {23, 2.0}, {0, 1.3}};
  for (size_t b = 0; b < 4; b++) {
    wk_error err;
    wk_image in = texture(W, H), out = texture(W, H);
    assert_ok(wk_image_blur(&out, blur[b].kernel, blur[b].sigma, &err), &err);
    int reach = blur[b].kernel ? blur[b].kernel / 2 : (int)ceil(3 * blur[b].sigma);
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        for (int c = 0; c < 3; c++) {
          double sum = 0, weights = 0;
          for (int j = -reach; j <= reach; j++)
            for (int i = -reach; i <= reach; i++) {
              int px = abs(x + i), py = abs(y + j);
              px = px < W ? px : 2 * (W - 1) - px, py = py < H ? py : 2 * (H - 1) - py;
              double w = exp(-(i * i + j * j) / (2 * blur[b].sigma * blur[b].sigma));
              sum += w * in.pixels[(py * W + px) * 3 + c], weights += w;
            }
          assert_near(out.pixels[(y * W + x) * 3 + c], rint(sum / weights), 1);
        }
    wk_image_free(&in);
    wk_image_free(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_single_changes), cmocka_unit_test(test_blur)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
