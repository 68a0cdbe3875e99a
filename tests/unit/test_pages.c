/* test_pages.c - text inside pages: nothing that a file or class is called may end a tag, a string or a script. */
#include "report/html.h"
#include "support.h"
#include "whisker/embedding_page.h"
#include "whisker/gallery.h"

static void text_is_made_safe(void **state) {
  (void)state;
  wk_text t = {0};
  wk_html_text(&t, "a<b>&\"c'\x01\xff\xe4\xb8\x96");
  assert_string_equal(t.data, "a&#60;b&#62;&#38;&#34;c&#39;\xEF\xBF\xBD\xEF\xBF\xBD\xe4\xb8\x96");
  wk_text_free(&t);
  wk_json_string(&t, "a\"\\\n</script>\xed\xa0\x80\x7f\xc3\xa9");
  assert_string_equal(t.data, "\"a\\\"\\\\\\n\\u003c/script\\u003e\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x7f\xc3\xa9\"");
  wk_text_free(&t);
}

static void base64_is_the_standard_one(void **state) {
  (void)state;
  static const char *const pair[][2] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) { /* RFC 4648, section 10 */
    wk_text t = {0};
    wk_base64(&t, (const uint8_t *)pair[i][0], strlen(pair[i][0]));
    assert_string_equal(t.data ? t.data : "", pair[i][1]);
    wk_text_free(&t);
  }
  uint8_t many[1000];
  memset(many, 0xfb, sizeof many);
  wk_text t = {0};
  wk_base64(&t, many, sizeof many);
  assert_int_equal(t.len, (sizeof many + 2) / 3 * 4);
  assert_memory_equal(t.data + 800, "+/v7", 4);
  wk_text_free(&t);
}

static void a_page_needs_its_parts(void **state) {
  (void)state;
  wk_error err;
  wk_embedding_map a = {.rows = 1};
  wk_embedding_page p = {.map = &a, .title = "t", .side = 4};
  assert_int_equal(wk_embedding_page_write("/nowhere/map.html", &p, &err), WK_ERR_ARGUMENT);
}

static char *read_page(const char *folder) {
  char *path = wk_path_join(folder, "index.html");
  uint8_t *text = NULL;
  size_t size;
  wk_error err;
  assert_ok(wk_file_read(&text, &size, path, 1 << 20, &err), &err);
  wk_free(path);
  return (char *)text;
}

static void a_gallery_is_whole_at_every_save(void **state) {
  (void)state;
  char *dir = test_tmp_dir();
  char *folder = wk_path_join(dir, "new/gallery");
  wk_error err;
  wk_gallery *g;
  assert_ok(wk_gallery_open(&g, folder, "<b>title", "lead & more", &err), &err);
  assert_ok(wk_gallery_save(g, "still going", &err), &err);
  char *page = read_page(folder);
  assert_non_null(strstr(page, "&#60;b&#62;title</h1>"));
  assert_non_null(strstr(page, "lead &#38; more"));
  assert_non_null(strstr(page, "still going"));
  assert_null(strstr(page, "<!--"));
  wk_free(page);
  wk_image image;
  assert_ok(wk_image_alloc(&image, 4, 3, &err), &err);
  assert_ok(wk_gallery_section(g, "one", "One", "text", &err), &err);
  assert_ok(wk_gallery_picture(g, &image, "a.png", "\"quoted\"", &err), &err);
  assert_ok(wk_gallery_section(g, "two", "Two", "text", &err), &err);
  static const char *const name[] = {"a", "b<"}, *const cell[] = {"1", "2", "3", "4"};
  static const double heat[] = {0, 0.5, 1, 7};
  static const bool wrong[] = {false, true, false, false};
  wk_gallery_table t = {NULL, name, name, cell, heat, wrong, 2, 2};
  assert_ok(wk_gallery_show_table(g, &t, &err), &err);
  assert_ok(wk_gallery_numbers(g, cell, name, 2, &err), &err);
  assert_ok(wk_gallery_link(g, "map.html", "the map", &err), &err);
  static const double x[] = {0, 1}, y[] = {1, 0.5};
  wk_series s = {.name = "s", .n = 2, .x = x, .y = y};
  wk_chart chart = {.title = "c", .series = &s, .count = 1};
  assert_ok(wk_gallery_chart(g, &chart, "a chart", &err), &err);
  assert_ok(wk_gallery_save(g, NULL, &err), &err);
  wk_gallery_free(g);
  page = read_page(folder);
  assert_non_null(strstr(page, "width=\"2\" height=\"1\" src=\"a.png\" alt=\"&#34;quoted&#34;\""));
  assert_non_null(strstr(page, "rgb(var(--wrong) / 0.28)"));
  assert_non_null(strstr(page, "<a href=\"#two\">Two</a>"));
  assert_non_null(strstr(page, "<figure><svg"));
  assert_null(strstr(page, "class=\"status\""));
  wk_free(page);
  /* Its own page may be replaced, another's not. */
  assert_ok(wk_gallery_open(&g, folder, "t", "l", &err), &err);
  wk_gallery_free(g);
  char *index = wk_path_join(folder, "index.html");
  assert_ok(wk_file_write(index, "mine", 4, &err), &err);
  assert_int_equal(wk_gallery_open(&g, folder, "t", "l", &err), WK_ERR_IO);
  wk_image_free(&image);
  wk_free(index);
  wk_free(folder);
  test_tmp_remove(dir);
}

/* The same data, the same text: tests/golden/chart-NAME.svg is what was looked at and found right. WK_CHART_GOLDENS in
 * the environment names a folder to write new ones to. */
static void same_chart(const char *name, const wk_chart *chart) {
  char *svg, path[256];
  uint8_t *want;
  size_t size;
  wk_error err;
  assert_ok(wk_chart_svg(&svg, chart, &err), &err);
  const char *folder = getenv("WK_CHART_GOLDENS");
  snprintf(path, sizeof path, "%s/chart-%s.svg", folder ? folder : test_source("tests/golden"), name);
  if (folder)
    assert_ok(wk_file_write(path, svg, strlen(svg), &err), &err);
  assert_ok(wk_file_read(&want, &size, path, 1 << 20, &err), &err);
  assert_string_equal(svg, (const char *)want);
  wk_free(want);
  wk_free(svg);
}

static void charts_stay_as_they_are(void **state) {
  (void)state;
  static const double epoch[] = {0, 1, 2, 3}, rate[] = {1e-6, 1e-5, 1e-4, 1e-3};
  static const double up[] = {0.52, 0.71, 0.69, 0.83}, low[] = {0.45, 0.65, 0.63, 0.78},
                      high[] = {0.59, 0.76, 0.75, 0.88}, down[] = {0.9, 0.8, NAN, 0.4};
  wk_series s[2] = {{.name = "check", .n = 4, .x = epoch, .y = up, .low = low, .high = high},
                    {.name = "photos & more", .n = 4, .x = epoch, .y = down}};
  wk_chart lines = {
      .title = "Learning curve", .x_label = "epoch", .y_label = "top-1", .series = s, .count = 2, .percent = true};
  same_chart("lines", &lines);
  wk_series tried = {.name = "loss", .n = 4, .x = rate, .y = down};
  wk_chart rates = {
      .title = "Rates", .x_label = "learning rate", .y_label = "loss", .series = &tried, .count = 1, .log_x = true};
  same_chart("rates", &rates);
  static const char *const names[] = {
      "resnet18, linear", "a name that has more letters than there is room for \u00e4\u00f6, knn", "short", "none"};
  wk_chart bars = {.title = "Right", .y_label = "top-1", .series = s, .count = 1, .names = names, .percent = true};
  same_chart("bars", &bars);
  bars.chance = 0.5;
  bars.compared_with = 2;
  bars.note = "Hatched: what the others are compared with.";
  same_chart("chance", &bars);
}

/* Bars begin at zero, whatever they stand for; lines say where they begin. */
static void charts_do_not_flatter(void **state) {
  (void)state;
  static const double x[] = {1, 2}, high[] = {0.80, 0.82}, loss[] = {1, 2};
  static const char *const names[] = {"a", "b"};
  char *svg;
  wk_error err;
  wk_series s = {.name = "right", .n = 2, .x = x, .y = high};
  wk_chart bars = {.title = "t", .series = &s, .count = 1, .names = names, .percent = true};
  assert_ok(wk_chart_svg(&svg, &bars, &err), &err);
  double left[2], width[2];
  const char *at = svg;
  for (int i = 0; i < 2; i++) {
    assert_non_null(at = strstr(at, "<rect x="));
    assert_int_equal(sscanf(at, "<rect x=\"%lf\" y=\"%*f\" width=\"%lf\"", &left[i], &width[i]), 2);
    at++;
  }
  assert_float_equal(width[0] / width[1], 0.80 / 0.82, 0.002);
  assert_float_equal(left[0], left[1], 0.01);
  wk_free(svg);
  bars.names = NULL;
  assert_ok(wk_chart_svg(&svg, &bars, &err), &err);
  assert_non_null(strstr(svg, "The scale begins at 79.9%, not at zero."));
  wk_free(svg);
  s.y = loss;
  bars.percent = false;
  bars.chance = 1.5;
  assert_ok(wk_chart_svg(&svg, &bars, &err), &err);
  assert_non_null(strstr(svg, ">chance 1.5<"));
  wk_free(svg);
}

/* Names of 200 letters, in Latin, Chinese and Hebrew: their beginning and their end, in the room there is. */
static void long_names_are_cut(void **state) {
  (void)state;
  static const char *const letters[] = {"x", "\u8c93", "\u05d0"};
  static const size_t shown[] = {33, 16, 33}; /* with the ellipsis 34 columns, a Chinese letter is two */
  for (int k = 0; k < 3; k++) {
    char name[801] = "", *svg;
    for (int i = 0; i < 200; i++)
      strcat(name, letters[k]);
    const char *names[] = {name};
    static const double y[] = {1};
    wk_error err;
    wk_series s = {.name = "s", .n = 1, .y = y};
    wk_chart bars = {.title = name, .series = &s, .count = 1, .names = names};
    assert_ok(wk_chart_svg(&svg, &bars, &err), &err);
    const char *label = strstr(svg, "text-anchor=\"end\"");
    assert_non_null(label);
    label = strchr(label, '>') + 1;
    const size_t bytes = (size_t)(strchr(label, '<') - label);
    assert_int_equal(bytes, shown[k] * strlen(letters[k]) + strlen("\u2026"));
    assert_non_null(strstr(label, "\u2026"));
    wk_free(svg);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_made_safe),
      cmocka_unit_test(charts_stay_as_they_are),
      cmocka_unit_test(charts_do_not_flatter),
      cmocka_unit_test(long_names_are_cut),
      cmocka_unit_test(base64_is_the_standard_one),
      cmocka_unit_test(a_page_needs_its_parts),
      cmocka_unit_test(a_gallery_is_whole_at_every_save),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
