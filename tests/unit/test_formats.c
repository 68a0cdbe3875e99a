/* test_formats.c - weight files: what PyTorch and safetensors write is read exactly; what is damaged or hostile is
 * refused with the right words, and nothing worse happens. The files are made by tools/make_format_goldens.py. */
#include <unistd.h>

#include "../fuzz/fuzz_weights.h"
#include "support.h"

static wk_error error;

static const char *const goldens[] = {
    "plain.safetensors", "plain_zip.pth",   "plain_legacy.pth",   "protocol4_zip.pth",  "protocol4_legacy.pth",
    "deflated.pth",      "strided_zip.pth", "strided_legacy.pth", "checkpoint_zip.pth", "checkpoint_legacy.pth",
    "module.pth",        "tensor.pth",      "numbers.pth",        "hostile_build.pth",  "hostile_stack_global.pth",
    "hostile_zip.pth",   "codebook.pth",
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

static const char *golden(const char *name) {
  char relative[256];
  snprintf(relative, sizeof relative, "tests/golden/formats/%s", name);
  return test_source(relative);
}

static wk_tensors *open_golden(const char *name) {
  wk_tensors *t = NULL;
  assert_ok(wk_weights_open(&t, golden(name), &error), &error);
  return t;
}

static void check(const wk_tensors *t, const char *name, wk_dtype dtype, int ndim, const int64_t *shape,
                  const float *expected) {
  float values[64];
  const wk_tensor *x = wk_tensors_find(t, name);
  if (!x)
    fail_msg("no tensor %s", name);
  assert_int_equal(x->dtype, dtype);
  assert_int_equal(x->ndim, ndim);
  for (int i = 0; i < ndim; i++)
    assert_int_equal(x->shape[i], shape[i]);
  if (dtype == WK_BOOL)
    return;
  assert_ok(wk_tensor_to_f32(values, x, &error), &error);
  for (int64_t i = 0; i < wk_tensor_count(ndim, shape); i++)
    if (values[i] != expected[i])
      fail_msg("%s[%d] = %g, expected %g", name, (int)i, (double)values[i], (double)expected[i]);
}

/* ---- what is right ---------------------------------------------------------------------------- */

static void test_every_type(void **state) {
  (void)state;
  static const float ramp[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, halves[3] = {0, 0.5f, 1}, below[3] = {-1, 0, 1};
  static const int64_t three[1] = {3};
  uint8_t hash[2][32];
  for (int i = 0; i < 6; i++) {
    wk_tensors *t = open_golden(goldens[i]);
    assert_int_equal(wk_tensors_size(t), 12);
    check(t, "conv.weight", WK_F32, 4, (int64_t[]){2, 3, 1, 2}, ramp);
    check(t, "half", WK_F16, 1, three, halves);
    check(t, "brain", WK_BF16, 1, three, halves);
    check(t, "double", WK_F64, 1, three, halves);
    check(t, "long", WK_I64, 1, three, below);
    check(t, "int", WK_I32, 1, three, below);
    check(t, "short", WK_I16, 1, three, below);
    check(t, "char", WK_I8, 1, three, below);
    check(t, "byte", WK_U8, 1, three, ramp);
    check(t, "bool", WK_BOOL, 1, (int64_t[]){2}, NULL);
    check(t, "scalar", WK_I64, 0, NULL, (float[]){7});
    check(t, "empty", WK_F32, 2, (int64_t[]){0, 4}, NULL);
    wk_tensors_sha256(hash[i > 0], t); /* the same weights in any file */
    assert_memory_equal(hash[0], hash[i > 0], 32);
    wk_tensors_free(t);
  }
  wk_tensors *t = open_golden("plain.safetensors");
  assert_string_equal(wk_tensors_meta(t, "note"), "caf\xc3\xa9");
  wk_tensors_free(t);
}

static void test_strides(void **state) {
  (void)state;
  static const float ramp[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (int i = 6; i < 8; i++) {
    wk_tensors *t = open_golden(goldens[i]);
    check(t, "transposed", WK_F32, 2, (int64_t[]){3, 2}, (float[]){0, 3, 1, 4, 2, 5});
    check(t, "channels_last", WK_F32, 4, (int64_t[]){1, 3, 2, 2}, ramp);
    check(t, "every_other", WK_F32, 1, (int64_t[]){3}, (float[]){1, 3, 5});
    check(t, "shared.a", WK_F32, 2, (int64_t[]){2, 3}, ramp);
    check(t, "shared.b", WK_F32, 1, (int64_t[]){6}, ramp + 6);
    check(t, "single", WK_F32, 2, (int64_t[]){1, 3}, ramp);
    /* one storage, seen in place */
    assert_ptr_equal((const float *)wk_tensors_find(t, "shared.a")->data + 6, wk_tensors_find(t, "shared.b")->data);
    wk_tensors_free(t);
  }
}

static void test_checkpoint(void **state) {
  (void)state;
  for (int i = 8; i < 10; i++) {
    wk_tensors *t = open_golden(goldens[i]);
    assert_int_equal(wk_tensors_size(t), 2);
    check(t, "fc.weight", WK_F32, 2, (int64_t[]){2, 2}, (float[]){0, 1, 2, 3});
    check(t, "fc.bias", WK_F32, 1, (int64_t[]){2}, (float[]){0, 1});
    wk_tensors_free(t);
  }
}

static void test_clustered(void **state) {
  (void)state;
  wk_tensors *t = open_golden("codebook.pth");
  assert_int_equal(wk_tensors_size(t), 8);
  check(t, "features.0.weight", WK_F32, 4, (int64_t[]){2, 2, 1, 1}, (float[]){0, 0.5f, 1, 1.5f});
  check(t, "features.0.bias", WK_F32, 1, (int64_t[]){2}, (float[]){5, 6});
  check(t, "features.2.weight", WK_F32, 4, (int64_t[]){1, 2, 1, 1}, (float[]){0, 0.5f});
  check(t, "features.5.weight", WK_F32, 4, (int64_t[]){1, 2, 1, 1}, (float[]){0, 0.5f});
  check(t, "other.bias", WK_F32, 1, (int64_t[]){1}, (float[]){5});
  wk_tensors_free(t);
}

static void test_real(void **state) {
  (void)state;
  TEST_NEEDS(path, "weights/mobilenet_v2.safetensors");
  wk_tensors *t = NULL;
  assert_ok(wk_weights_open(&t, path, &error), &error);
  assert_int_equal(wk_tensors_find(t, "classifier.1.weight")->shape[0], 1000);
  wk_tensors_free(t);

  char *dir = test_tmp_dir(), *cut = wk_path_join(dir, "cut.safetensors");
  uint8_t *bytes = NULL;
  size_t size = 0;
  assert_ok(wk_file_read(&bytes, &size, path, 1 << 28, &error), &error);
  assert_ok(wk_file_write(cut, bytes, 1000000, &error), &error);
  assert_int_equal(wk_weights_open(&t, cut, &error), WK_ERR_FORMAT);
  assert_int_equal(strncmp(error.message, cut, strlen(cut)), 0);
  assert_non_null(strstr(error.message, "cut short: the header promises 14,182,736 bytes, the file has 1,000,000"));
  wk_free(bytes);
  wk_free(cut);
  test_tmp_remove(dir);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void test_write(void **state) {
  (void)state;
  char *dir = test_tmp_dir(), *a = wk_path_join(dir, "a.safetensors"), *b = wk_path_join(dir, "b.safetensors");
  wk_tensors *t = open_golden("plain_zip.pth"), *again = NULL;
  uint8_t hash[2][32], *bytes[2] = {NULL, NULL};
  size_t size[2];
  assert_ok(wk_tensors_set_meta(t, "z", "tab\t\"quote\" \xe2\x9c\x93", &error), &error);
  assert_ok(wk_tensors_set_meta(t, "a", "", &error), &error);
  assert_ok(wk_safetensors_write(a, t, &error), &error);
  assert_ok(wk_weights_open(&again, a, &error), &error);
  wk_tensors_sha256(hash[0], t);
  wk_tensors_sha256(hash[1], again);
  assert_memory_equal(hash[0], hash[1], 32);
  assert_string_equal(wk_tensors_meta(again, "z"), "tab\t\"quote\" \xe2\x9c\x93");
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    const wk_tensor *x = wk_tensors_at(again, i);
    assert_string_equal(x->name, wk_tensors_at(t, i)->name); /* the order is kept */
    if (x->bytes)                                            /* aligned for its type in a mapped file */
      assert_int_equal((uintptr_t)x->data % wk_dtype_size(x->dtype), 0);
  }
  assert_ok(wk_safetensors_write(b, again, &error), &error);
  for (int i = 0; i < 2; i++)
    assert_ok(wk_file_read(&bytes[i], &size[i], i ? b : a, 1 << 20, &error), &error);
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(bytes[0], bytes[1], size[0]);
  assert_int_equal((8 + bytes[0][0] + (bytes[0][1] << 8)) % 64, 0);
  wk_tensors_free(again);

  wk_tensor bad = {.name = "latin-1 \xe9"};
  bad.ndim = 1;
  assert_ok(wk_tensors_add(t, &bad, &error), &error);
  assert_int_equal(wk_safetensors_write(b, t, &error), WK_ERR_ARGUMENT);
  wk_tensors_free(t);
  for (int i = 0; i < 2; i++)
    wk_free(bytes[i]);
  wk_free(a);
  wk_free(b);
  test_tmp_remove(dir);
}

static void test_npy(void **state) {
  (void)state;
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "a.npy");
  static const char header[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
                               "                                                          \n";
  static const float data[6] = {0, 1, 2, 3, 4, 5};
  uint8_t *bytes = NULL;
  size_t size;
  assert_ok(wk_npy_write(path, data, 2, (int64_t[]){2, 3}, &error), &error);
  assert_ok(wk_file_read(&bytes, &size, path, 1 << 20, &error), &error);
  assert_int_equal(size, 128 + sizeof data);
  assert_memory_equal(bytes, header, 128);
  assert_memory_equal(bytes + 128, data, sizeof data);
  wk_free(bytes);
  assert_int_equal(wk_npy_write(path, data, 1, (int64_t[]){-1}, &error), WK_ERR_ARGUMENT);
  wk_free(path);
  test_tmp_remove(dir);
}

/* ---- what is refused -------------------------------------------------------------------------- */

static void refused(const void *bytes, size_t size, wk_status expected, const char *says) {
  wk_tensors *t = NULL;
  uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
  assert_non_null(exact);
  memcpy(exact, bytes, size);
  wk_status st = wk_weights_sniff(exact, size) == WK_WEIGHTS_SAFETENSORS ? wk_safetensors_parse(&t, exact, size, &error)
                                                                         : wk_torch_parse(&t, exact, size, &error);
  free(exact);
  if (st != expected || !strstr(error.message, says))
    fail_msg("%s: %s (expected %s: ... %s ...)", wk_status_name(st), st ? error.message : "", wk_status_name(expected),
             says);
}

/* Pickles that would run a command in a reader that executes them are refused by the name of what they ask for. */
static void test_nothing_runs(void **state) {
  (void)state;
  static const struct {
    const char *file, *says;
  } hostile[] = {
      {"hostile_reduce.pth", "os.system"},
      {"hostile_stack_global.pth", "os.system"},
      {"hostile_inst.pth", "os.system"},
      {"hostile_obj.pth", "os.system"},
      {"hostile_newobj.pth", "subprocess.Popen"},
      {"hostile_build.pth", "os.system"},
      {"hostile_eval.pth", "__builtin__.eval"},
      {"hostile_getattr.pth", "builtins.getattr"},
      {"hostile_dotted.pth", "torch.serialization.os"},
      {"hostile_zip.pth", "os.system"},
  };
  unlink("/tmp/whisker-was-here");
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    wk_tensors *t = NULL;
    const char *path = golden(hostile[i].file);
    assert_int_equal(wk_weights_open(&t, path, &error), WK_ERR_UNSUPPORTED);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    assert_non_null(strstr(error.message, hostile[i].says));
  }
  assert_int_not_equal(access("/tmp/whisker-was-here", F_OK), 0);
}

static void test_other_files(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    const char *says;
  } file[] = {
      {"", 0, "empty"},
      {"<!DOCTYPE html>", 15, "web page"},
      {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"},
      {"\x89HDF\r\n\x1a\n", 8, "HDF5"},
      {"\x1f\x8b\x08", 3, "gzip"},
      {"\x80\x04]q.", 5, "pickle"},
      {"hello, world", 12, "this is a text file, not a file of weights"},
      {"PK\3\4 and no more", 16, "only the first 16 bytes"},
  };
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "x.pth");
  wk_tensors *t = NULL;
  for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
    assert_ok(wk_file_write(path, file[i].bytes, file[i].size, &error), &error);
    assert_int_equal(wk_weights_open(&t, path, &error), WK_ERR_FORMAT);
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
    if (!strstr(error.message, file[i].says))
      fail_msg("%s (expected %s)", error.message, file[i].says);
  }
  unlink(path);
  assert_int_equal(wk_weights_open(&t, path, &error), WK_ERR_NOT_FOUND);
  assert_int_equal(wk_weights_open(&t, golden("tensor.pth"), &error), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "single tensor"));
  assert_int_equal(wk_weights_open(&t, golden("numbers.pth"), &error), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "epoch, loss"));
  wk_free(path);
  test_tmp_remove(dir);
}

/* A file of this header and `data` zero bytes. */
static void refused_header(const char *header, size_t data, wk_status expected, const char *says) {
  wk_text file = {0};
  uint64_t length = strlen(header);
  static const char zeros[64];
  wk_text_append(&file, &length, 8);
  wk_text_append(&file, header, length);
  wk_text_append(&file, zeros, data);
  refused(file.data, file.len, expected, says);
  wk_text_free(&file);
}

static void test_hostile_headers(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    const char *says;
  } bad[] = {
      {"{ ", 0, "broken at its byte"},
      {"{} x", 0, "broken"},
      {"{\"a\":1,\"a\":1}", 0, "broken"},
      {"{\"a\":{}}", 0, "data_offsets"},
      {"{\"a\":7}", 0, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0.0,4]}}", 4, "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}}", 4, "broken"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "cut short: the header promises"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "describes only"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "begins at byte 4"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
       "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
       8, "tensor b begins at byte 4 of the data, but the one before it ends at 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "shape and type need 12"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no type"},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "whole numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "whole numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}", 4, "larger than any"},
      {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, "larger than any"},
      {"{\"a\\u0000b\":{}}", 0, "broken"},
      {"{\"__metadata__\":[]}", 0, "not an object"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
      {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, "nests"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refused_header(bad[i].header, bad[i].data, WK_ERR_FORMAT, bad[i].says);
  refused_header("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, WK_ERR_UNSUPPORTED,
                 "F8_E4M3");
  refused_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
                 WK_ERR_UNSUPPORTED, "9 dimensions");
  refused("\xff\xff\xff\x7f\0\0\0\0{", 9, WK_ERR_FORMAT, "the format allows 100,000,000");
  refused("\x40\0\0\0\0\0\0\0{", 9, WK_ERR_FORMAT, "the header alone takes 72 bytes, the file has 9");
}

/* ---- hostile pickles -------------------------------------------------------------------------- */

static void add(wk_text *t, const char *bytes, size_t n) { wk_text_append(t, bytes, n); }
#define ADD(t, literal) add(t, literal, sizeof literal - 1)

static void add_int(wk_text *t, int64_t n) {
  ADD(t, "\x8a\x08");
  add(t, (const char *)&n, 8);
}

static void begin_legacy(wk_text *t) {
  ADD(t, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02");
}

/* A legacy file whose object is `pickle`, without storages. */
static void refused_pickle(const char *pickle, size_t n, wk_status expected, const char *says) {
  wk_text file = {0};
  begin_legacy(&file);
  add(&file, pickle, n);
  ADD(&file, "\x80\x02].");
  refused(file.data, file.len, expected, says);
  wk_text_free(&file);
}

static void test_broken_pickles(void **state) {
  (void)state;
  static const struct {
    const char *pickle;
    size_t size;
    const char *says;
  } bad[] = {
#define P(literal, says) {literal, sizeof literal - 1, says}
      P("0.", "broken at its byte"),                  /* pops nothing */
      P("N0.", "broken at its byte"),                 /* ends with nothing */
      P("NN.", "broken at its byte"),                 /* ends with two */
      P("(N.", "broken at its byte"),                 /* a mark is left */
      P("t.", "broken at its byte"),                  /* a tuple without a mark */
      P("]N(u.", "broken at its byte"),               /* not a dict */
      P("}(Nu.", "broken at its byte"),               /* a key without a value */
      P("}N(Ns.", "broken at its byte"),              /* reaches below the mark */
      P("Nh\1.", "broken at its byte"),               /* nothing remembered there */
      P("Nr\xff\xff\xff\xff.", "broken at its byte"), /* a memo of 32 GB */
      P("NNR.", "broken at its byte"),                /* calls None */
      P("ccollections\nOrderedDict\nNR.", "broken at its byte"),
      P("ccollections\nOrderedDict\nK\1\x85R.", "OrderedDict in a way"),
      P("ccollections\nOrderedDict\n]]K\1aa\x85R.", "OrderedDict in a way"),
      P("ctorch\nFloatStorage\n)R.", "FloatStorage in a way"),
      P("ctorch._utils\n_rebuild_tensor_v2\n)R.", "_rebuild_tensor in a way"),
      P("ctorch._utils\n_rebuild_parameter\nN\x85R.", "_rebuild_parameter in a way"),
      P("NQ.", "persistent id in a way"),
      P("X\7\0\0\0storage\x85Q.", "persistent id in a way"),
      P("}Nb0N.", "no state dict"), /* setting the state of a dict is allowed, and ignored */
      P("NNb.", "broken at its byte"),
      P("I1\n.", "instruction 0x49"), /* protocol 0 */
      P("\x82\1.", "instruction 0x82"),
      P("\x80\x09N.", "protocol 9"),
      P("X\xff\xff\xff\xff", "cut short"),
      P("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "cut short"),
      P("\x8b\xff\xff\xff\x7f", "cut short"),
      P("cos", "cut short"),
      P("(t.", "no state dict"), /* an empty tuple of an empty stack */
      P("N.", "no state dict"),
      P("].", "no state dict"),
      P("}.", "no tensors; its entries are: none"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refused_pickle(bad[i].pickle, bad[i].size, WK_ERR_FORMAT, bad[i].says);
  refused_pickle("c\x1b[2J\nx\n.", 9, WK_ERR_UNSUPPORTED, "only plain tensors");
}

static void test_pickle_bombs(void **state) {
  (void)state;
  enum { N = 3 << 20 };
  wk_text t = {0};
  char *many = malloc(N);
  assert_non_null(many);
  memset(many, '(', N); /* nesting */
  refused_pickle(many, N, WK_ERR_FORMAT, "nests deeper");
  memset(many, 'N', N); /* a pile */
  refused_pickle(many, N, WK_ERR_FORMAT, "piles up");
  for (size_t i = 0; i < N; i += 2) /* lists in lists: no recursion, so only the end is missing */
    memcpy(many + i, "]q", 2);
  refused_pickle(many, N, WK_ERR_FORMAT, "");
  free(many);

  /* Ten lists, each ten times the one before: small in memory, because they are shared. */
  ADD(&t, "X\3\0\0\0lolq\0");
  for (int i = 0; i < 10; i++) {
    ADD(&t, "](");
    for (int k = 0; k < 10; k++) {
      ADD(&t, "h");
      add(&t, (char[]){(char)i}, 1);
    }
    ADD(&t, "eq");
    add(&t, (char[]){(char)(i + 1)}, 1);
    ADD(&t, "0");
  }
  ADD(&t, "0]h\12a.");
  refused_pickle(t.data, t.len, WK_ERR_FORMAT, "");
  wk_text_free(&t);

  /* A dict that holds itself under the name that is looked for. */
  refused_pickle("}q\0X\12\0\0\0state_dicth\0s.", 22, WK_ERR_FORMAT, "no tensors");
}

/* A dict of `copies` tensors "0", "1", ... on one storage of `count` floats, of which `held` are in the file. */
static void add_tensors(wk_text *t, int copies, int64_t count, int64_t offset, int ndim, const int64_t *shape,
                        const int64_t *stride, int64_t held) {
  static const float zeros[1024];
  char name[16];
  begin_legacy(t);
  ADD(t, "}(");
  for (int i = 0; i < copies; i++) {
    uint32_t n = (uint32_t)snprintf(name, sizeof name, "%d", i);
    ADD(t, "X");
    add(t, (const char *)&n, 4);
    add(t, name, n);
    ADD(t, "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0sX\3\0\0\0cpu");
    add_int(t, count);
    ADD(t, "tQ");
    add_int(t, offset);
    for (int which = 0; which < 2; which++) {
      ADD(t, "(");
      for (int k = 0; k < ndim; k++)
        add_int(t, (which ? stride : shape)[k]);
      ADD(t, "t");
    }
    ADD(t, "\x89)tR");
  }
  ADD(t, "u.\x80\x02]X\1\0\0\0sa.");
  add(t, (const char *)&held, 8);
  if (held > 1 << 20) /* promised only */
    return;
  for (int64_t at = 0; at < held; at += 1024)
    add(t, (const char *)zeros, (size_t)(held - at < 1024 ? held - at : 1024) * 4);
}

/* Views in any order, of more sides than fit a square of what is copied at a time: each element is where it should be.
 */
static void test_large_strides(void **state) {
  (void)state;
  static const struct {
    int ndim;
    int64_t shape[4], stride[4];
  } cases[] = {
      {2, {50, 37}, {1, 50}},                  /* by columns */
      {2, {64, 48}, {1, 64}},                  /* whole squares of 16 */
      {2, {33, 35}, {2, 80}},                  /* with gaps */
      {2, {40, 21}, {90, 4}},                  /* rows with gaps */
      {4, {20, 33, 3, 2}, {1, 20, 1320, 660}}, /* TensorFlow's order of a convolution */
      {4, {36, 1, 3, 3}, {1, 7, 108, 36}},     /* and of a depthwise one */
      {3, {5, 18, 17}, {1, 85, 5}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t count = 1, elements = 1;
    for (int k = 0; k < cases[i].ndim; k++) {
      count += (cases[i].shape[k] - 1) * cases[i].stride[k];
      elements *= cases[i].shape[k];
    }
    wk_text t = {0};
    wk_tensors *read = NULL;
    add_tensors(&t, 1, count, 0, cases[i].ndim, cases[i].shape, cases[i].stride, count);
    for (int64_t k = 0; k < count; k++)
      memcpy(t.data + t.len - 4 * (size_t)(count - k), &(float){(float)k}, 4);
    assert_ok(wk_torch_parse(&read, t.data, t.len, &error), &error);
    const float *got = wk_tensors_find(read, "0")->data;
    for (int64_t e = 0; e < elements; e++) {
      int64_t want = 0, rest = e;
      for (int k = cases[i].ndim; k-- > 0; rest /= cases[i].shape[k])
        want += rest % cases[i].shape[k] * cases[i].stride[k];
      assert_true(got[e] == (float)want);
    }
    wk_tensors_free(read);
    wk_text_free(&t);
  }
}

/* The same with one tensor, and what is wrong with it. */
static void refused_tensor(int64_t count, int64_t offset, int ndim, const int64_t *shape, const int64_t *stride,
                           int64_t held, const char *says) {
  wk_text t = {0};
  add_tensors(&t, 1, count, offset, ndim, shape, stride, held);
  refused(t.data, t.len, WK_ERR_FORMAT, says);
  wk_text_free(&t);
}

static void test_hostile_tensors(void **state) {
  (void)state;
  const int64_t big = INT64_MAX, half = (int64_t)1 << 62;
  wk_text t = {0};
  wk_tensors *read = NULL;
  add_tensors(&t, 1, 6, 0, 2, (int64_t[]){2, 3}, (int64_t[]){3, 1}, 6);
  assert_ok(wk_torch_parse(&read, t.data, t.len, &error), &error);
  wk_tensors_free(read);
  refused(t.data, t.len - 1, WK_ERR_FORMAT, "cut short: storage s alone needs");
  refused(t.data, t.len - 25, WK_ERR_FORMAT, "cut short");
  wk_text_free(&t);

  refused_tensor(6, 0, 2, (int64_t[]){2, 4}, (int64_t[]){3, 1}, 6, "outside its storage of 6");
  refused_tensor(6, 1, 2, (int64_t[]){2, 3}, (int64_t[]){3, 1}, 6, "outside");
  refused_tensor(6, big, 1, (int64_t[]){2}, (int64_t[]){1}, 6, "outside");
  refused_tensor(6, -1, 1, (int64_t[]){2}, (int64_t[]){1}, 6, "in a way");
  refused_tensor(6, 0, 1, (int64_t[]){-2}, (int64_t[]){1}, 6, "in a way");
  refused_tensor(6, 3, 1, (int64_t[]){2}, (int64_t[]){-1}, 6, "in a way");
  refused_tensor(6, 0, 1, (int64_t[]){3}, (int64_t[]){big}, 6, "outside");
  refused_tensor(6, 0, 2, (int64_t[]){big, big}, (int64_t[]){0, 0}, 6, "outside");
  refused_tensor(6, 0, 2, (int64_t[]){half, 4}, (int64_t[]){0, 0}, 6, "outside");
  refused_tensor(6, 0, 1, (int64_t[]){(int64_t)1 << 40}, (int64_t[]){0}, 6, "outside"); /* 4 TB of one number */
  refused_tensor(6, 0, 3, (int64_t[]){2, 2, 2}, (int64_t[]){half, half, half}, 6, "outside");
  refused_tensor(7, 0, 1, (int64_t[]){6}, (int64_t[]){1}, 6, "holds 6 elements, but its tensors were saved from 7");
  refused_tensor(big, 0, 1, (int64_t[]){6}, (int64_t[]){1}, 6, "is said to hold");
  refused_tensor((int64_t)1 << 40, 0, 1, (int64_t[]){6}, (int64_t[]){1}, (int64_t)1 << 40, "cut short");
  add_tensors(&t, 1, 6, 0, 9, (int64_t[9]){1, 1, 1, 1, 1, 1, 1, 1, 1}, (int64_t[9]){0}, 6);
  refused(t.data, t.len, WK_ERR_UNSUPPORTED, "9 dimensions");
  wk_text_free(&t);
  refused_tensor(-1, 0, 1, (int64_t[]){6}, (int64_t[]){1}, 6, "persistent id");
}

/* A thousand transposed views of one megabyte would copy out to a gigabyte. */
static void test_copy_budget(void **state) {
  (void)state;
  wk_text t = {0};
  add_tensors(&t, 1000, 1 << 18, 0, 2, (int64_t[]){512, 512}, (int64_t[]){1, 512}, 1 << 18);
  refused(t.data, t.len, WK_ERR_FORMAT, "unpacks to far more than its own size");
  wk_text_free(&t);
}

/* ---- damage ----------------------------------------------------------------------------------- */

static uint8_t *read_golden(size_t *size, const char *name) {
  uint8_t *bytes = NULL;
  assert_ok(wk_file_read(&bytes, size, golden(name), 1 << 20, &error), &error);
  return bytes;
}

static void test_cut_anywhere(void **state) {
  (void)state;
  for (int g = 0; g < GOLDENS; g++) {
    size_t size;
    uint8_t *bytes = read_golden(&size, goldens[g]);
    for (size_t cut = 0; cut < size; cut++) {
      wk_tensors *t = NULL;
      uint8_t *exact = malloc(cut ? cut : 1);
      assert_non_null(exact);
      memcpy(exact, bytes, cut);
      fuzz_weights(exact, cut);
      /* whatever was lost, it is noticed */
      assert_int_not_equal(g ? wk_torch_parse(&t, exact, cut, &error) : wk_safetensors_parse(&t, exact, cut, &error),
                           WK_OK);
      free(exact);
    }
    wk_free(bytes);
  }
}

/* One seeded mutation: a flipped bit, a byte, an extreme number, a piece that is copied or lost. */
static void mutate(uint8_t *bytes, size_t *size, wk_rng *rng) {
  static const uint64_t extreme[] = {0, 1, 0x7f, 0xff, 0x7fff, 0xffff, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
  size_t at = wk_rng_below(rng, (uint32_t)*size), from = wk_rng_below(rng, (uint32_t)*size), n;
  switch (wk_rng_below(rng, 5)) {
  case 0:
    bytes[at] ^= (uint8_t)(1 << wk_rng_below(rng, 8));
    break;
  case 1:
    bytes[at] = (uint8_t)wk_rng_u32(rng);
    break;
  case 2:
    n = (size_t)1 << wk_rng_below(rng, 4);
    if (at + n <= *size)
      memcpy(bytes + at, &extreme[wk_rng_below(rng, 10)], n);
    break;
  case 3:
    n = wk_rng_below(rng, 32);
    if (at + n <= *size && from + n <= *size)
      memmove(bytes + at, bytes + from, n);
    break;
  default:
    n = 1 + wk_rng_below(rng, 16);
    if (at + n < *size) {
      memmove(bytes + at, bytes + at + n, *size - at - n);
      *size -= n;
    }
  }
}

static void test_mutations(void **state) {
  (void)state;
  enum { ROUNDS = 4000 };
  wk_rng rng;
  wk_rng_init(&rng, 11, 0);
  for (int g = 0; g < GOLDENS; g++) {
    size_t size;
    uint8_t *bytes = read_golden(&size, goldens[g]);
    for (int round = 0; round < ROUNDS; round++) {
      size_t n = size;
      uint8_t *copy = malloc(size);
      assert_non_null(copy);
      memcpy(copy, bytes, size);
      for (uint32_t k = 1 + wk_rng_below(&rng, 4); k; k--)
        mutate(copy, &n, &rng);
      uint8_t *exact = malloc(n);
      assert_non_null(exact);
      memcpy(exact, copy, n);
      fuzz_weights(exact, n);
      free(exact);
      free(copy);
    }
    wk_free(bytes);
  }
}

static void test_every_allocation_fails(void **state) {
  (void)state;
  for (int g = 0; g < 10; g++) {
    const char *path = golden(goldens[g]);
    wk_tensors *t = NULL;
    test_fail_allocation(-1);
    assert_ok(wk_weights_open(&t, path, &error), &error);
    wk_tensors_free(t);
    long n = test_allocations();
    for (long i = 0; i < n; i++) {
      test_fail_allocation(i);
      assert_int_equal(wk_weights_open(&t, path, &error), WK_ERR_MEMORY);
    }
    test_fail_allocation(-1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_type),      cmocka_unit_test(test_strides),
      cmocka_unit_test(test_large_strides),   cmocka_unit_test(test_checkpoint),
      cmocka_unit_test(test_clustered),       cmocka_unit_test(test_real),
      cmocka_unit_test(test_write),           cmocka_unit_test(test_npy),
      cmocka_unit_test(test_nothing_runs),    cmocka_unit_test(test_other_files),
      cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_broken_pickles),
      cmocka_unit_test(test_pickle_bombs),    cmocka_unit_test(test_hostile_tensors),
      cmocka_unit_test(test_copy_budget),     cmocka_unit_test(test_cut_anywhere),
      cmocka_unit_test(test_mutations),       cmocka_unit_test(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
