/* test_studio.c - the studio's parts that need no page: what is told from headers, tables, the promise, edits of any
 * bytes, and a door that does not wait for ever. The rest is tests/cli/studio.py. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/fuzz_studio.h"
#include "studio/csv.h"
#include "studio/request_check.h"
#include "studio/run_rows.h"
#include "studio/server.h"
#include "support.h"
#include "whisker/clock.h"

static void test_headers(void **state) {
  (void)state;
  assert_true(wk_host_is_ours("127.0.0.1:80", 80));
  assert_true(wk_host_is_ours("LOCALHOST:80", 80));
  assert_true(wk_host_is_ours("[::1]:80", 80));
  assert_false(wk_host_is_ours(NULL, 80));
  assert_false(wk_host_is_ours("127.0.0.1:8080", 80));
  assert_false(wk_host_is_ours("127.0.0.1:80.evil.example", 80));
  assert_true(wk_origin_is_ours("http://localhost:80", "localhost:80"));
  assert_false(wk_origin_is_ours("http://localhost:80/", "localhost:80"));
  assert_false(wk_origin_is_ours("null", "localhost:80"));
  assert_false(wk_origin_is_ours(NULL, "localhost:80"));
  assert_true(wk_cookie_is("a=b;c=secret", "c", "secret"));
  assert_false(wk_cookie_is("cc=secret", "c", "secret"));
  assert_false(wk_cookie_is("c=secreT", "c", "secret"));
  assert_false(wk_cookie_is("c=secret2", "c", "secret"));
  assert_false(wk_cookie_is(NULL, "c", "secret"));
  assert_true(wk_type_is("Application/JSON; charset=utf-8", "application/json"));
  assert_false(wk_type_is("application/jsonp", "application/json"));
  assert_int_equal(wk_json_depth("{\"a\":[[\"[[[\\\"[\"]]}", 18), 3);
}

static void test_tables(void **state) {
  static const char *const cells[] = {"plain", "",       "a,b", "two\nlines", "\"quoted\"",
                                      "=1+1",  "'quote", "@x",  "-",          "猫"};
  enum { CELLS = sizeof cells / sizeof *cells };
  (void)state;
  char *text = NULL, *read[CELLS + 1];
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  assert_non_null(out);
  for (int i = 0; i < CELLS; i++) {
    wk_csv_write(out, cells[i]);
    fputc(i + 1 < CELLS ? ',' : '\n', out);
  }
  fclose(out);
  assert_non_null(strstr(text, "\"'=1+1\""));
  char *at = text;
  assert_int_equal(wk_csv_read(&at, read, CELLS + 1), CELLS);
  for (int i = 0; i < CELLS; i++)
    assert_string_equal(read[i], cells[i]);
  assert_int_equal(*at, 0);
  free(text);
}

/* 1 in 100 takes 299 answers without a mistake; what one half promises the other judges. */
static void test_promise(void **state) {
  enum { ROWS = 4000 };
  (void)state;
  wk_run_row *rows = calloc(ROWS, sizeof *rows);
  assert_non_null(rows);
  for (int i = 0; i < ROWS; i++) /* sure answers are right, half of the unsure ones are not */
    rows[i] = (wk_run_row){
        .id = (uint64_t)i + 1, .label = i % 2, .predicted = i % 8 < 2 ? 0 : i % 2, .p = i % 8 < 2 ? 0.6f : 0.9f};
  json_t *promise = wk_run_promise(rows, ROWS, 0.01);
  assert_int_equal(json_integer_value(json_object_get(promise, "needed")), 299);
  assert_true(json_is_true(json_object_get(promise, "held")));
  assert_true(fabs(json_real_value(json_object_get(promise, "threshold")) - 0.9) < 1e-6);
  assert_int_equal(json_integer_value(json_object_get(promise, "errors")), 0);
  assert_int_equal(json_integer_value(json_object_get(promise, "chosen_on")) +
                       json_integer_value(json_object_get(promise, "judged_on")),
                   ROWS);
  json_decref(promise);
  promise = wk_run_promise(rows, 400, 0.01); /* some 150 sure answers in a half: too few */
  assert_true(json_is_false(json_object_get(promise, "held")));
  json_decref(promise);
  for (int i = 0; i < ROWS; i++)
    rows[i].learned = true; /* nothing is judged by what was learned from */
  promise = wk_run_promise(rows, ROWS, 0.5);
  assert_int_equal(json_integer_value(json_object_get(promise, "judged_on")), 0);
  json_decref(promise);
  free(rows);
}

static void test_compare(void **state) {
  (void)state;
  wk_run_row a[] = {{.id = 1, .label = 0, .predicted = 0},
                    {.id = 2, .label = 0, .predicted = 1},
                    {.id = 3, .label = 1, .predicted = 1, .learned = true}},
             b[] = {{.id = 3, .label = 1, .predicted = 0},
                    {.id = 2, .label = 0, .predicted = 0},
                    {.id = 1, .label = 0, .predicted = 0}};
  json_t *same = wk_run_compare(a, 3, a, 3), *both = wk_run_compare(a, 3, b, 3);
  assert_int_equal(json_integer_value(json_object_get(same, "photos")), 2);
  assert_true(json_real_value(json_object_get(same, "p")) == 1);
  assert_int_equal(json_integer_value(json_object_get(both, "better")), 1);
  assert_int_equal(json_integer_value(json_object_get(both, "worse")), 0);
  assert_true(json_real_value(json_object_get(json_object_get(both, "difference"), "value")) == 0.5);
  json_decref(same);
  json_decref(both);
}

static void test_edits_of_any_bytes(void **state) {
  static const char seed[] =
      "{\"edits\":[{\"id\":1,\"class\":1},{\"ids\":[2,3],\"class\":null},{\"id\":4,\"part\":\"val\"},{\"ids\":[5],"
      "\"removed\":true},"
      "{\"class\":2,\"name\":\"horse\"},{\"id\":1,\"class\":2},{\"class\":0,\"name\":\"tabby\"}]}";
  static const char words[] = "{}[]:,\"0123456789-nulltrueidsclasspartnameremoved\\";
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 7, 1);
  fuzz_studio((const uint8_t *)seed, sizeof seed - 1);
  for (int i = 0; i < (TEST_SANITIZED ? 2000 : 10000); i++) {
    char text[sizeof seed];
    memcpy(text, seed, sizeof seed);
    for (uint32_t n = 1 + wk_rng_below(&rng, 4); n > 0; n--)
      text[wk_rng_below(&rng, sizeof seed - 1)] = words[wk_rng_below(&rng, sizeof words - 1)];
    fuzz_studio((const uint8_t *)text, wk_rng_below(&rng, 8) ? sizeof seed - 1 : wk_rng_below(&rng, sizeof seed));
  }
}

/* A header that comes byte by byte is never idle, and yet the connection ends. */
static void test_slow_header(void **state) {
  static const wk_route no_routes[] = {{0}};
  static const wk_page_file no_files[] = {{0}};
  (void)state;
  wk_server *server = NULL;
  wk_fault f;
  const wk_server_options o = {.header_seconds = 0.2, .routes = no_routes, .files = no_files};
  const wk_status st = wk_server_start(&server, &o, &f);
  if (st == WK_ERR_UNSUPPORTED) {
    printf("skipped: %s\n", f.error.message);
    skip();
  }
  assert_int_equal(st, WK_OK);
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_port = htons((uint16_t)wk_server_port(server)),
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
  const double began = wk_clock_seconds();
  const char header[] = "GET / HTTP/1.1\r\nX: ";
  assert_int_equal(send(fd, header, sizeof header - 1, MSG_NOSIGNAL), sizeof header - 1);
  char byte;
  while (wk_clock_seconds() - began < 20 && recv(fd, &byte, 1, MSG_DONTWAIT) != 0) {
    if (send(fd, "a", 1, MSG_NOSIGNAL) != 1)
      break;
    usleep(20000);
  }
  const double took = wk_clock_seconds() - began;
  close(fd);
  wk_server_stop(server);
  assert_true(took > 0.15 && took < 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers),
                                     cmocka_unit_test(test_tables),
                                     cmocka_unit_test(test_promise),
                                     cmocka_unit_test(test_compare),
                                     cmocka_unit_test(test_edits_of_any_bytes),
                                     cmocka_unit_test(test_slow_header)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
