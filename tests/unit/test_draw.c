/* test_draw.c - colours of numbers, text, overlays and contact sheets; and that nothing is drawn outside of the canvas.
 */
#include "image/font.h"
#include "support.h"

static const uint8_t black[3] = {0, 0, 0}, red[3] = {255, 0, 0};

static wk_image canvas_of(int width, int height, int grey) {
  wk_image image;
  wk_error err;
  assert_ok(wk_image_alloc(&image, width, height, &err), &err);
  memset(image.pixels, grey, (size_t)width * (size_t)height * 3);
  return image;
}

static const uint8_t *at(const wk_image *image, int x, int y) { return image->pixels + (y * image->width + x) * 3; }

static int differing(const wk_image *image, int grey) {
  int n = 0;
  for (int i = 0; i < image->width * image->height; i++)
    n += image->pixels[3 * i] != grey || image->pixels[3 * i + 1] != grey || image->pixels[3 * i + 2] != grey;
  return n;
}

static void test_colours(void **state) {
  (void)state;
  uint8_t rgb[3];
  static const uint8_t first[] = {0x44, 0x01, 0x54}, last[] = {0xfd, 0xe7, 0x25}, nan_grey[] = {128, 128, 128};
  wk_colormap_at(rgb, WK_COLORMAP_VIRIDIS, 0);
  assert_memory_equal(rgb, first, 3);
  wk_colormap_at(rgb, WK_COLORMAP_VIRIDIS, 7);
  assert_memory_equal(rgb, last, 3);
  wk_colormap_at(rgb, WK_COLORMAP_TURBO, NAN);
  assert_memory_equal(rgb, nan_grey, 3);
  for (int i = 0; i < WK_COLORMAP_COUNT; i++) {
    wk_colormap found;
    assert_true(wk_colormap_find(&found, wk_colormap_name((wk_colormap)i)) && (int)found == i);
    /* No jumps. */
    uint8_t before[3];
    wk_colormap_at(before, (wk_colormap)i, 0);
    for (int j = 1; j <= 1000; j++) {
      wk_colormap_at(rgb, (wk_colormap)i, j / 1000.0);
      for (int c = 0; c < 3; c++)
        assert_true(abs(rgb[c] - before[c]) <= 3);
      memcpy(before, rgb, 3);
    }
  }
  wk_colormap found;
  assert_false(wk_colormap_find(&found, "jet"));
}

static void test_maps(void **state) {
  (void)state;
  wk_error err;
  const float map[6] = {0, 1, 2, 3, NAN, 5};
  double low, high;
  wk_heatmap_range(&low, &high, map, 6);
  assert_true(low == 0 && high == 5);
  wk_image image;
  assert_ok(wk_heatmap_draw(&image, map, 3, 2, 0, 0, WK_COLORMAP_GREY, &err), &err);
  assert_int_equal(at(&image, 0, 0)[0], 0);
  assert_int_equal(at(&image, 2, 1)[0], 255);
  assert_int_equal(at(&image, 1, 1)[0], 128);
  wk_image_free(&image);
  /* PyTorch: interpolate(tensor([[0, 1], [2, 3]]), size (3, 4), bilinear) */
  static const float two[4] = {0, 1, 2, 3}, want[12] = {0, 0.25f, 0.75f, 1, 1, 1.25f, 1.75f, 2, 2, 2.25f, 2.75f, 3};
  float out[12];
  assert_ok(wk_heatmap_resize(out, 4, 3, two, 2, 2, WK_FILTER_BILINEAR, &err), &err);
  for (int i = 0; i < 12; i++)
    assert_near(out[i], want[i], 1e-6);
  assert_ok(wk_heatmap_resize(out, 4, 3, two, 2, 2, WK_FILTER_NEAREST, &err), &err);
  assert_true(out[0] == 0 && out[1] == 0 && out[2] == 1 && out[11] == 3);
  assert_int_equal(wk_heatmap_resize(out, 4, 3, two, 2, 2, WK_FILTER_BICUBIC, &err), WK_ERR_ARGUMENT);
}

/* Shapes and text at and far over every border, under a sanitizer too. */
static void test_clipping(void **state) {
  (void)state;
  wk_image canvas = canvas_of(20, 15, 9), piece = canvas_of(8, 6, 200);
  static const int places[] = {INT32_MIN, INT32_MIN / 2, -1000,         -8,       -3, 0, 5, 14, 19,
                               20,        1000,          INT32_MAX / 2, INT32_MAX};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    for (size_t j = 0; j < sizeof places / sizeof *places; j++) {
      int x = places[i], y = places[j];
      wk_draw_fill(&canvas, x, y, 7, 5, red);
      wk_draw_fill(&canvas, x, y, -3, 5, red);
      wk_draw_frame(&canvas, x, y, 9, 9, 2, red);
      wk_draw_image(&canvas, &piece, x, y);
      wk_draw_text(&canvas, x, y, "Wg", 1, black);
      wk_draw_line(&canvas, x, y, 7, 8, black);
      wk_draw_frame(&canvas, x, y, INT32_MAX, INT32_MAX, 1, red);
      wk_draw_colorbar(&canvas, x, y, 50, 3, WK_COLORMAP_MAGMA);
    }
  wk_image_free(&canvas);
  canvas = canvas_of(20, 15, 9);
  wk_draw_fill(&canvas, -2, 13, 5, 10, red);
  assert_int_equal(differing(&canvas, 9), 6);
  wk_draw_image(&canvas, &piece, 16, -4);
  assert_int_equal(differing(&canvas, 9), 6 + 8);
  wk_image_free(&canvas);
  wk_image_free(&piece);
}

static void test_text(void **state) {
  (void)state;
  for (int i = 0; i < WK_FONT_GLYPHS; i++) {
    assert_int_equal(strlen(wk_font[i].levels), wk_font[i].width * WK_FONT_HEIGHT);
    assert_true(i == 0 || wk_font[i].code > wk_font[i - 1].code);
  }
  assert_int_equal(wk_text_width("caf\xc3\xa9", 2), wk_text_width("cafe", 2));
  assert_int_equal(wk_text_width("\xc5\xa1\xc5\xbe\xc5\x82\xc4\x9f\xc5\x91", 1), wk_text_width("szlgo", 1));
  assert_int_equal(wk_text_width("\xe2\x80\x94", 1), wk_text_width("-", 1));
  assert_int_equal(wk_text_width("\xff\xc3", 1), wk_text_width("??", 1));
  assert_int_equal(wk_text_width("\xf0\x9f\x90\xb1", 1), wk_text_width("?", 1));
  wk_image canvas = canvas_of(100, 20, 255);
  wk_draw_text(&canvas, 2, 2, "cat 99.8%", 1, black);
  int ink = differing(&canvas, 255);
  assert_true(ink > 100 && ink < 600);
  wk_image_free(&canvas);
}

static void test_overlay(void **state) {
  (void)state;
  wk_error err;
  wk_image base = canvas_of(3, 1, 100), over = canvas_of(3, 1, 200), small = canvas_of(2, 1, 0);
  const float weight[3] = {0, 0.5f, 7};
  assert_ok(wk_draw_overlay(&base, &over, 0.5, weight, &err), &err);
  assert_true(base.pixels[0] == 100 && base.pixels[3] == 125 && base.pixels[6] == 150);
  assert_int_equal(wk_draw_overlay(&base, &small, 0.5, NULL, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_draw_overlay(&base, &over, 1.5, NULL, &err), WK_ERR_ARGUMENT);
  wk_image_free(&base), wk_image_free(&over), wk_image_free(&small);
}

static void test_sheet(void **state) {
  (void)state;
  wk_error err;
  wk_image picture[5] = {canvas_of(40, 30, 10), canvas_of(10, 8, 60), canvas_of(80, 200, 110), canvas_of(1, 1, 160),
                         canvas_of(40, 30, 210)};
  const char *label[5] = {"one", "two\nlines", NULL, "a label that is much too long for its cell", ""};
  wk_sheet s;
  wk_sheet_init(&s);
  s.cell_width = 40, s.cell_height = 30, s.title = "Pictures";
  wk_image out;
  assert_ok(wk_sheet_draw(&out, picture, label, 5, &s, &err), &err);
  assert_int_equal(out.width, 6 + 3 * 46);
  assert_int_equal(out.height, 6 + 22 + 2 * (30 + 2 * 16 + 6));
  assert_int_equal(at(&out, 6, 28)[0], 10);
  assert_int_equal(at(&out, 6 + 46 + 20, 28 + 15)[0], 60);
  assert_int_equal(at(&out, 6 + 92 + 20, 28 + 15)[0], 110);
  assert_int_equal(at(&out, 6 + 92 + 2, 28 + 15)[0], 255); /* the tall one is narrow */
  /* One pixel fills its cell, as far as whole numbers go. */
  assert_int_equal(at(&out, 6 + 20, 28 + 68 + 1)[0], 160);
  wk_image_free(&out);
  assert_ok(wk_sheet_draw(&out, picture, NULL, 5, NULL, &err), &err);
  wk_image_free(&out);
  s.cell_width = 900000;
  assert_int_equal(wk_sheet_draw(&out, picture, label, 5, &s, &err), WK_ERR_ARGUMENT);
  s.cell_width = 40;
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = wk_sheet_draw(&out, picture, label, 5, &s, &err);
    bool reached = test_allocations() > n;
    test_fail_allocation(-1);
    if (!reached) {
      assert_ok(st, &err);
      wk_image_free(&out);
      break;
    }
    assert_int_equal(st, WK_ERR_MEMORY);
  }
  for (int i = 0; i < 5; i++)
    wk_image_free(&picture[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_colours),  cmocka_unit_test(test_maps),
                                     cmocka_unit_test(test_clipping), cmocka_unit_test(test_text),
                                     cmocka_unit_test(test_overlay),  cmocka_unit_test(test_sheet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
