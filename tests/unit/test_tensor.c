/* test_tensor.c - the set of named tensors: order, lookup, refusals, conversions, hash, and every allocation failing.
 */
#include "support.h"

static wk_tensors *fresh(void) {
  wk_tensors *t = NULL;
  wk_error err;
  assert_ok(wk_tensors_create(&t, &err), &err);
  return t;
}

static void test_count(void **state) {
  (void)state;
  assert_int_equal(wk_tensor_count(0, NULL), 1);
  assert_int_equal(wk_tensor_count(3, (int64_t[]){2, 3, 4}), 24);
  assert_int_equal(wk_tensor_count(2, (int64_t[]){0, INT64_MAX}), 0);
  assert_int_equal(wk_tensor_count(2, (int64_t[]){0, -1}), -1);
  assert_int_equal(wk_tensor_count(2, (int64_t[]){INT64_MAX, 2}), -1);
  assert_int_equal(wk_tensor_count(3, (int64_t[]){INT64_MAX, INT64_MAX, 0}), 0);
}

static void test_find(void **state) {
  (void)state;
  enum { N = 3000 };
  wk_tensors *t = fresh();
  wk_error err;
  for (int i = 0; i < N; i++) {
    char name[32];
    float *data;
    snprintf(name, sizeof name, "layer%d.weight", i);
    assert_ok(wk_tensors_add_zeros(t, &data, name, 1, (int64_t[]){2}, &err), &err);
    data[1] = (float)i;
  }
  const wk_tensor *first = wk_tensors_find(t, "layer0.weight");
  assert_int_equal(wk_tensors_size(t), N);
  for (int i = 0; i < N; i++) {
    char name[32];
    snprintf(name, sizeof name, "layer%d.weight", i);
    const wk_tensor *found = wk_tensors_find(t, name);
    assert_non_null(found);
    assert_ptr_equal(found, wk_tensors_at(t, (size_t)i));
    assert_string_equal(found->name, name);
    assert_true(((const float *)found->data)[1] == (float)i);
  }
  assert_ptr_equal(first, wk_tensors_at(t, 0));
  assert_null(wk_tensors_find(t, "layer3000.weight"));
  assert_null(wk_tensors_at(t, N));
  wk_tensors_free(t);
}

static void test_refusals(void **state) {
  (void)state;
  wk_tensors *t = fresh();
  wk_error err;
  float data[6] = {0};
  wk_tensor ok = {.name = "a", .ndim = 2, .shape = {2, 3}, .data = data, .bytes = sizeof data};
  assert_ok(wk_tensors_add(t, &ok, &err), &err);
  assert_int_equal(wk_tensors_add(t, &ok, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "two tensors named a"));
  wk_tensor bad[] = {ok, ok, ok, ok, ok};
  bad[0].bytes = 20;
  bad[1].ndim = WK_MAX_DIMS + 1;
  bad[2].dtype = WK_DTYPE_COUNT;
  bad[3].shape[0] = -2;
  bad[4].data = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bad[i].name = "b";
    assert_int_equal(wk_tensors_add(t, &bad[i], &err), WK_ERR_ARGUMENT);
    assert_int_equal(wk_tensors_add_view(t, &bad[i], NULL), WK_ERR_ARGUMENT);
  }
  float *zeros;
  assert_int_equal(wk_tensors_add_zeros(t, &zeros, "b", 2, (int64_t[]){INT64_MAX, 4}, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_tensors_size(t), 1);
  wk_tensors_free(t);
  wk_tensors_free(NULL);
}

static void count_release(void *user) { ++*(int *)user; }
static void count_rest(void *user) { *(int *)user += 100; }

static void test_views_and_keep(void **state) {
  (void)state;
  wk_tensors *t = fresh();
  wk_error err;
  float data[2] = {1, 2};
  int released = 0;
  wk_tensor view = {.name = "v", .ndim = 1, .shape = {2, 77}, .data = data, .bytes = sizeof data};
  assert_ok(wk_tensors_add_view(t, &view, &err), &err);
  view.name = "copy";
  assert_ok(wk_tensors_add(t, &view, &err), &err);
  assert_ok(wk_tensors_keep(t, count_release, count_rest, &released, &err), &err);
  assert_ptr_equal(wk_tensors_find(t, "v")->data, data);
  assert_int_equal(wk_tensors_find(t, "v")->shape[1], 0); /* sides that do not exist are cleared */
  assert_ptr_not_equal(wk_tensors_find(t, "copy")->data, data);
  assert_ok(wk_tensors_keep(t, count_release, NULL, &released, &err), &err);
  assert_int_equal(released, 0);
  wk_tensors_release_pages(t);
  assert_int_equal(released, 100);
  wk_tensors_free(t);
  assert_int_equal(released, 102);
}

static void test_meta(void **state) {
  (void)state;
  wk_tensors *t = fresh();
  wk_error err;
  const char *key, *value;
  assert_null(wk_tensors_meta(t, "b"));
  for (int round = 0; round < 2; round++)
    for (const char *k = "dbcax"; *k; k++)
      assert_ok(wk_tensors_set_meta(t, (char[]){*k, 0}, round ? "new" : "old", &err), &err);
  assert_int_equal(wk_tensors_meta_size(t), 5);
  assert_string_equal(wk_tensors_meta(t, "b"), "new");
  wk_tensors_meta_at(t, 0, &key, &value);
  assert_string_equal(key, "d");
  wk_tensors_meta_at(t, 4, &key, &value);
  assert_string_equal(key, "x");
  wk_tensors_meta_at(t, 5, &key, &value);
  assert_null(key);
  wk_tensors_free(t);
}

/* In falling order, which is the worst for whoever keeps them sorted: 20 TB would be moved. */
static void test_a_million_of_meta(void **state) {
  (void)state;
  enum { MANY = 1000000 };
  wk_tensors *t = fresh();
  wk_error err;
  char key[16];
  for (int i = MANY; i-- > 0;) {
    snprintf(key, sizeof key, "%07d", i);
    assert_ok(wk_tensors_set_meta(t, key, "v", &err), &err);
  }
  assert_int_equal(wk_tensors_meta_size(t), MANY);
  assert_string_equal(wk_tensors_meta(t, "0000000"), "v");
  assert_null(wk_tensors_meta(t, "1000000"));
  wk_tensors_free(t);
}

/* Reads `n` elements of `bytes`, from an odd address as well. */
static void check_f32(wk_dtype dtype, const void *bytes, int64_t n, const float *expected) {
  uint8_t shifted[256];
  float out[32];
  wk_error err;
  size_t size = (size_t)n * wk_dtype_size(dtype);
  for (int shift = 0; shift < 2; shift++) {
    memcpy(shifted + shift, bytes, size);
    wk_tensor t = {.name = "x", .dtype = dtype, .ndim = 1, .shape = {n}, .data = shifted + shift, .bytes = size};
    assert_ok(wk_tensor_to_f32(out, &t, &err), &err);
    for (int64_t i = 0; i < n; i++)
      if (memcmp(&out[i], &expected[i], sizeof *out) != 0 && !(isnan(out[i]) && isnan(expected[i])))
        fail_msg("%s element %d: %g, expected %g", wk_dtype_name(dtype), (int)i, (double)out[i], (double)expected[i]);
  }
}

static void test_conversions(void **state) {
  (void)state;
  check_f32(WK_F32, (float[]){1.5f, -0.f}, 2, (float[]){1.5f, -0.f});
  check_f32(WK_F64, (double[]){0.1, -2}, 2, (float[]){0.1f, -2});
  /* 1, -2, 65504, the smallest subnormal, the largest subnormal, -0, infinity, NaN */
  check_f32(WK_F16, (uint16_t[]){0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0xfc00, 0x7e00}, 8,
            (float[]){1, -2, 65504, 0x1p-24f, 0x3ffp-24f, -0.f, -INFINITY, NAN});
  check_f32(WK_BF16, (uint16_t[]){0x3f80, 0xc000, 0x7f80, 0x0001}, 4, (float[]){1, -2, INFINITY, 0x1p-133f});
  check_f32(WK_I64, (int64_t[]){-3, INT64_MAX}, 2, (float[]){-3, 0x1p63f});
  check_f32(WK_I32, (int32_t[]){-3, 16777217}, 2, (float[]){-3, 16777216});
  check_f32(WK_I16, (int16_t[]){-300}, 1, (float[]){-300});
  check_f32(WK_I8, (int8_t[]){-3}, 1, (float[]){-3});
  check_f32(WK_U8, (uint8_t[]){253}, 1, (float[]){253});
  wk_error err;
  wk_tensor t = {.name = "mask", .dtype = WK_BOOL, .ndim = 1, .shape = {1}, .data = "\1", .bytes = 1};
  assert_int_equal(wk_tensor_to_f32((float[1]){0}, &t, &err), WK_ERR_UNSUPPORTED);
  wk_tensor empty = {.name = "empty", .ndim = 1};
  assert_ok(wk_tensor_to_f32(NULL, &empty, &err), &err);
}

/* Three tensors, added forwards or backwards. */
static wk_tensors *sample(bool backwards, float value, int64_t side) {
  static const char *const names[] = {"a", "b", "c"};
  wk_tensors *t = fresh();
  wk_error err;
  for (int i = 0; i < 3; i++) {
    int at = backwards ? 2 - i : i;
    float *data;
    assert_ok(wk_tensors_add_zeros(t, &data, names[at], 2, (int64_t[]){side, 6 / side}, &err), &err);
    data[0] = value * (float)at;
  }
  return t;
}

static void test_hash(void **state) {
  (void)state;
  wk_tensors *t[] = {sample(false, 1, 2), sample(true, 1, 2), sample(false, 2, 2), sample(false, 1, 3)};
  uint8_t hash[4][32], starved[32];
  for (int i = 0; i < 4; i++)
    wk_tensors_sha256(hash[i], t[i]);
  assert_memory_equal(hash[0], hash[1], 32);     /* order does not matter */
  assert_memory_not_equal(hash[0], hash[2], 32); /* values do */
  assert_memory_not_equal(hash[0], hash[3], 32); /* shapes do */
  test_fail_allocation(0);
  wk_tensors_sha256(starved, t[1]);
  test_fail_allocation(-1);
  assert_memory_equal(hash[0], starved, 32); /* without memory to sort: slower, but the same */
  for (int i = 0; i < 4; i++)
    wk_tensors_free(t[i]);
}

static wk_status build(wk_tensors **out, wk_error *err) {
  wk_tensors *t = NULL;
  float *zeros;
  wk_status st = wk_tensors_create(&t, err);
  for (int i = 0; st == WK_OK && i < 40; i++) {
    char name[8];
    snprintf(name, sizeof name, "t%d", i);
    wk_tensor copy = {.name = name, .ndim = 1, .shape = {1}, .data = &(float){1}, .bytes = 4};
    st = i % 2 ? wk_tensors_add(t, &copy, err) : wk_tensors_add_zeros(t, &zeros, name, 0, NULL, err);
    if (st == WK_OK)
      st = wk_tensors_set_meta(t, name, "value", err);
  }
  if (st != WK_OK)
    wk_tensors_free(t);
  else
    *out = t;
  return st;
}

static void test_every_allocation_fails(void **state) {
  (void)state;
  wk_error err;
  wk_tensors *t = NULL;
  test_fail_allocation(-1);
  assert_ok(build(&t, &err), &err);
  wk_tensors_free(t);
  long n = test_allocations();
  for (long i = 0; i < n; i++) {
    test_fail_allocation(i);
    assert_int_equal(build(&t, &err), WK_ERR_MEMORY);
  }
  test_fail_allocation(-1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_count),          cmocka_unit_test(test_find), cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_views_and_keep), cmocka_unit_test(test_meta), cmocka_unit_test(test_a_million_of_meta),
      cmocka_unit_test(test_conversions),    cmocka_unit_test(test_hash), cmocka_unit_test(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
