/* test_pages.c - text inside pages: nothing that a file or class is called may end a tag, a string or a script. */
#include "report/html.h"
#include "support.h"
#include "whisker/atlas_page.h"
#include "whisker/gallery.h"

static void text_is_made_safe(void **state) {
  (void)state;
  wk_text t = {0};
  wk_html_text(&t, "a<b>&\"c'\x01\xff\xe4\xb8\x96");
  assert_string_equal(t.data, "a&#60;b&#62;&#38;&#34;c&#39;\xEF\xBF\xBD\xEF\xBF\xBD\xe4\xb8\x96");
  wk_text_free(&t);
  wk_json_string(&t, "a\"\\\n</script>\xed\xa0\x80\x7f\xc3\xa9");
  assert_string_equal(
      t.data, "\"a\\u0022\\u005c\\u000a\\u003c/script\\u003e\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\\u007f\xc3\xa9\"");
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
  wk_atlas a = {.rows = 1};
  wk_atlas_page p = {.atlas = &a, .title = "t", .side = 4};
  assert_int_equal(wk_atlas_page_write("/nowhere/map.html", &p, &err), WK_ERR_ARGUMENT);
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
  assert_non_null(strstr(page, "width=\"4\" height=\"3\" src=\"a.png\" alt=\"&#34;quoted&#34;\""));
  assert_non_null(strstr(page, "rgb(var(--wrong) / 0.44)"));
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_made_safe),
      cmocka_unit_test(base64_is_the_standard_one),
      cmocka_unit_test(a_page_needs_its_parts),
      cmocka_unit_test(a_gallery_is_whole_at_every_save),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
