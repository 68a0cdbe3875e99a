/* test_draw.c - colours of numbers, text, overlays and contact sheets; and that nothing is drawn outside of the canvas.
 */
#include "plot/bitmap_font.h"
#include "plot/typesetter.h"
#include "support.h"

static const uint8_t red[3] = {255, 0, 0};

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
  const wk_text_style style = {.size = 11};
  wk_typesetter *setter[2];
  wk_error err;
  assert_ok(wk_typesetter_create(&setter[0], &err), &err);
  assert_ok(wk_typesetter_create_plain(&setter[1], &err), &err);
  static const int places[] = {INT32_MIN, INT32_MIN / 2, -1000,         -8,       -3, 0, 5, 14, 19,
                               20,        1000,          INT32_MAX / 2, INT32_MAX};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++)
    for (size_t j = 0; j < sizeof places / sizeof *places; j++) {
      int x = places[i], y = places[j];
      wk_draw_fill(&canvas, x, y, 7, 5, red);
      wk_draw_fill(&canvas, x, y, -3, 5, red);
      wk_draw_frame(&canvas, x, y, 9, 9, 2, red);
      wk_draw_image(&canvas, &piece, x, y);
      for (int k = 0; k < 2; k++)
        assert_ok(wk_text_draw(&canvas, NULL, setter[k], x, y, "Wg", &style, &err), &err);
      wk_draw_frame(&canvas, x, y, INT32_MAX, INT32_MAX, 1, red);
      wk_draw_colorbar(&canvas, x, y, 50, 3, WK_COLORMAP_MAGMA);
    }
  wk_image_free(&canvas);
  wk_typesetter_free(setter[0]);
  wk_typesetter_free(setter[1]);
  canvas = canvas_of(20, 15, 9);
  wk_draw_fill(&canvas, -2, 13, 5, 10, red);
  assert_int_equal(differing(&canvas, 9), 6);
  wk_draw_image(&canvas, &piece, 16, -4);
  assert_int_equal(differing(&canvas, 9), 6 + 8);
  wk_image_free(&canvas);
  wk_image_free(&piece);
}

static int width_of(wk_typesetter *t, const char *text, int limit, int lines, int *height, int *missing) {
  wk_error err;
  int width;
  const wk_text_style style = {.size = 13, .width = limit, .lines = lines};
  assert_ok(wk_text_measure(&width, height, missing, t, text, &style, &err), &err);
  return width;
}

static int plain_width(wk_typesetter *t, const char *text) { return width_of(t, text, 0, 1, NULL, NULL); }

/* The letters that are always there: what others become, and where lines end. */
static void test_plain_text(void **state) {
  (void)state;
  wk_error err;
  wk_typesetter *t;
  for (int i = 0; i < WK_FONT_GLYPHS; i++) {
    assert_int_equal(strlen(wk_font[i].levels), wk_font[i].width * WK_FONT_HEIGHT);
    assert_true(i == 0 || wk_font[i].code > wk_font[i - 1].code);
  }
  assert_ok(wk_typesetter_create_plain(&t, &err), &err);
  assert_int_equal(plain_width(t, "caf\xc3\xa9"), plain_width(t, "cafe"));
  assert_int_equal(plain_width(t, "\xc5\xa1\xc5\xbe\xc5\x82\xc4\x9f\xc5\x91"), plain_width(t, "szlgo"));
  assert_int_equal(plain_width(t, "\xe2\x80\x94"), plain_width(t, "-"));
  assert_int_equal(plain_width(t, "\xff\xc3"), plain_width(t, "??"));
  assert_int_equal(plain_width(t, "\xf0\x9f\x90\xb1"), plain_width(t, "?"));
  assert_int_equal(plain_width(t, "a\tb\nc"), plain_width(t, "a b c"));
  int missing, height;
  width_of(t, "cat \xe8\xb2\x93\xe5\x92\xaa", 0, 1, NULL, &missing);
  assert_int_equal(missing, 2);
  wk_image canvas = canvas_of(100, 20, 255);
  const wk_text_style style = {.size = 13};
  assert_ok(wk_text_draw(&canvas, &height, t, 2, 2, "cat 99.8%", &style, &err), &err);
  int ink = differing(&canvas, 255);
  assert_true(height == 16 && ink > 100 && ink < 600);
  wk_image_free(&canvas);
  wk_typesetter_free(t);
}

/* By whatever is installed, and by the built-in letters: names of 200 letters, from right to left, and of bytes that
 * are no text are cut at the width, and leave no ink beyond it. */
static void test_long_names(void **state) {
  (void)state;
  char latin[201], chinese[601], hebrew[401];
  for (int i = 0; i < 200; i++) {
    latin[i] = (char)('a' + i % 26);
    memcpy(chinese + 3 * i, "\xe8\xb2\x93", 3);
    memcpy(hebrew + 2 * i, i % 6 ? "\xd7\x97" : "  ", 2);
  }
  latin[200] = chinese[600] = hebrew[400] = 0;
  const char *const names[] = {latin, chinese, hebrew, "\xff\xfe\xfd\x80 broken \xc3",
                               "\xe2\x80\xae right to left override"};
  for (int plain = 0; plain < 2; plain++) {
    wk_error err;
    wk_typesetter *t;
    assert_ok(plain ? wk_typesetter_create_plain(&t, &err) : wk_typesetter_create(&t, &err), &err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
      for (int lines = 1; lines <= 3; lines += 2) {
        enum { LIMIT = 120 };
        int one, height;
        width_of(t, "x", LIMIT, 1, &one, NULL);
        assert_true(width_of(t, names[i], LIMIT, lines, &height, NULL) <= LIMIT + 1);
        assert_true(height <= 2 * lines * one);
        wk_image canvas = canvas_of(300, 100, 255);
        const wk_text_style style = {.size = 13, .width = LIMIT, .lines = lines};
        assert_ok(wk_text_draw(&canvas, NULL, t, 10, 0, names[i], &style, &err), &err);
        assert_true(differing(&canvas, 255) > 50);
        for (int y = 0; y < 100; y++)
          for (int x = 10 + LIMIT + 2; x < 300; x++)
            assert_int_equal(at(&canvas, x, y)[0], 255);
        wk_image_free(&canvas);
      }
    wk_typesetter_free(t);
  }
}

/* Chinese names, where Pango and a font with Chinese letters are installed. */
static void test_chinese(void **state) {
  (void)state;
  wk_error err;
  int missing;
  char why[1024];
  assert_ok(wk_text_missing(&missing, why, sizeof why, "tabby cat", &err), &err);
  assert_int_equal(missing, 0);
  assert_ok(wk_text_missing(&missing, why, sizeof why, "\xe6\x9a\xb9\xe7\xbe\x85\xe8\xb2\x93", &err), &err);
  if (missing) {
    assert_non_null(strstr(why, "apt-get install"));
    printf("skipped: %s\n", why);
    skip();
  }
  wk_typesetter *t;
  assert_ok(wk_typesetter_create(&t, &err), &err);
  wk_image a = canvas_of(80, 24, 255), b = canvas_of(80, 24, 255);
  const wk_text_style style = {.size = 18};
  assert_ok(wk_text_draw(&a, NULL, t, 0, 0, "\xe8\xb2\x93", &style, &err), &err);
  assert_ok(wk_text_draw(&b, NULL, t, 0, 0, "\xe7\x8b\x97", &style, &err), &err);
  assert_true(differing(&a, 255) > 60 && differing(&b, 255) > 60);
  assert_memory_not_equal(a.pixels, b.pixels, 80 * 24 * 3); /* no two boxes */
  wk_image_free(&a), wk_image_free(&b);
  wk_typesetter_free(t);
}

static void test_sheet(void **state) {
  (void)state;
  wk_error err;
  wk_image picture[5] = {canvas_of(140, 105, 10), canvas_of(10, 8, 60), canvas_of(80, 200, 110), canvas_of(1, 1, 160),
                         canvas_of(40, 30, 210)};
  const char *label[5] = {"one", "two\nlines", NULL, "a label that is much too long for its cell", ""};
  wk_sheet s;
  wk_sheet_init(&s);
  s.cell_width = 40, s.cell_height = 30;
  wk_image out;
  assert_ok(wk_sheet_draw(&out, picture, label, 5, &s, &err), &err);
  assert_int_equal(out.width, 2 * (20 + 3 * 48 - 8 + 20));
  assert_int_equal(out.height, 2 * (20 + 2 * (30 + 2 * 17 + 4 + 8) - 8 + 20));
  assert_int_equal(at(&out, 40 + 4, 40 + 4)[0], 10);
  assert_int_equal(at(&out, 40 + 96 + 40, 40 + 30)[0], 60);
  assert_int_equal(at(&out, 40 + 192 + 40, 40 + 30)[0], 110);
  assert_int_equal(at(&out, 40 + 192 + 4, 40 + 30)[0], 255); /* the tall one is narrow */
  /* One pixel fills its cell. */
  assert_int_equal(at(&out, 40 + 40, 40 + 152 + 30)[0], 160);
  wk_image_free(&out);
  const wk_legend legend = {WK_COLORMAP_VIRIDIS, "0", "3.2", "activation"};
  s.frame = (wk_frame){.title = "What was done to what",
                       .subtitle = "cat 99%",
                       .note = "What to look for.",
                       .legends = &legend,
                       .legend_count = 1};
  assert_ok(wk_sheet_draw(&out, picture, label, 5, &s, &err), &err);
  assert_int_equal(out.width, 2 * 480);
  wk_image_free(&out);
  s.frame.density = 1;
  assert_ok(wk_sheet_draw(&out, picture, label, 5, &s, &err), &err);
  assert_int_equal(out.width, 480);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_colours),    cmocka_unit_test(test_maps),
                                     cmocka_unit_test(test_clipping),   cmocka_unit_test(test_plain_text),
                                     cmocka_unit_test(test_long_names), cmocka_unit_test(test_chinese),
                                     cmocka_unit_test(test_sheet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
