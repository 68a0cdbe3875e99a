/* test_datasets.c - the table of well-known sets is sound, and what is fetched is what was published, or is told and
 * not kept. */
#include <sys/stat.h>
#include <unistd.h>

#include "http_server.h"

static const char content[] = "not really photos, but bytes of a known hash";

static void table(void **state) {
  (void)state;
  assert_true(wk_dataset_info_count() >= 7);
  for (int i = 0; i < wk_dataset_info_count(); i++) {
    const wk_dataset_info *d = wk_dataset_info_at(i);
    assert_ptr_equal(wk_dataset_info_find(d->name), d);
    assert_true(d->file_count >= 1 && d->classes >= 2 && d->photos > 0 && *d->licence && *d->citation && *d->title);
    for (int k = 0; k < d->file_count; k++) {
      const wk_dataset_file *f = &d->files[k];
      assert_int_equal(strncmp(f->url, "https://", 8), 0);
      assert_string_equal(strrchr(f->url, '/') + 1, f->file);
      assert_true(!f->sha256 || (strlen(f->sha256) == 64 && strspn(f->sha256, "0123456789abcdef") == 64));
    }
  }
  assert_null(wk_dataset_info_find("nothing"));
  assert_null(wk_dataset_info_at(-1));
}

static void remember(void *user, const char *message) { snprintf(user, 512, "%s", message); }

static void getting(void **state) {
  (void)state;
  char *dir = test_tmp_dir(), url[64], told[512] = "", hex[65], *path = NULL, folder[4096];
  http_server server = {.content = content, .size = sizeof content - 1};
  http_start(&server);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/a.zip", server.port);
  uint8_t hash[WK_SHA256_BYTES];
  wk_sha256(hash, content, sizeof content - 1);
  wk_hex(hex, hash, sizeof hash);
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.warn = remember;
  ctx.user = told;
  wk_pull_options o;
  wk_pull_options_init(&o);
  snprintf(folder, sizeof folder, "%s/data", dir);
  o.folder = folder;
  wk_error err = {0};

  wk_dataset_info set = {.name = "small", .files = {{url, "a.zip", hex, sizeof content - 1}}, .file_count = 1};
  assert_ok(wk_dataset_get(&path, &set, &o, &ctx, &err), &err);
  assert_true(wk_path_exists(path) && strstr(path, "/data/small/a.zip"));
  wk_free(path);
  int requests = atomic_load(&server.requests);
  assert_ok(wk_dataset_get(&path, &set, &o, &ctx, &err), &err); /* it is there */
  assert_int_equal(atomic_load(&server.requests), requests);
  wk_free(path);
  assert_string_equal(told, "");

  char mirror[4200]; /* the set again, from a folder that has its file */
  snprintf(mirror, sizeof mirror, "%s/mirror", dir);
  assert_ok(wk_mkdir_p(mirror, &err), &err);
  snprintf(mirror, sizeof mirror, "%s/mirror/a.zip", dir);
  assert_ok(wk_file_write(mirror, content, sizeof content - 1, &err), &err);
  *strrchr(mirror, '/') = 0;
  o.mirror = mirror;
  set.name = "mirrored";
  assert_ok(wk_dataset_get(&path, &set, &o, &ctx, &err), &err);
  assert_true(wk_path_exists(path) && strstr(path, "/data/mirrored/a.zip"));
  assert_int_equal(atomic_load(&server.requests), requests);
  wk_free(path);
  o.mirror = NULL;

  set.name = "unknown"; /* nobody published its hash: what came is told */
  set.files[0].sha256 = NULL;
  assert_ok(wk_dataset_get(&path, &set, &o, &ctx, &err), &err);
  assert_non_null(strstr(told, hex));
  wk_free(path);

  set.name = "wrong";
  hex[0] = hex[0] == '0' ? '1' : '0';
  set.files[0].sha256 = hex;
  assert_int_equal(wk_dataset_get(&path, &set, &o, &ctx, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "SHA-256"));
  snprintf(folder, sizeof folder, "%s/data/wrong/a.zip", dir);
  assert_false(wk_path_exists(folder));
  http_stop(&server);
  test_tmp_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(getting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
