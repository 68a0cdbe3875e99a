/* test_pages.c - text inside pages: nothing that a file or class is called may end a tag, a string or a script. */
#include "report/html.h"
#include "support.h"
#include "whisker/atlas_page.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_is_made_safe),
      cmocka_unit_test(base64_is_the_standard_one),
      cmocka_unit_test(a_page_needs_its_parts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
