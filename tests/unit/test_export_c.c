/* test_export_c.c - networks written as plain C: what the C compiler makes of them gives the model's logits, for every
 * layer there is, in C99 and in C++ without a warning; the replay that `export` proves them with gives the very bits.
 */
#include <sys/stat.h>

#include "export/export.h"
#include "support.h"

enum { SIDE = 37, WIDE = 41, CLASSES = 5 };
static const char *const labels[CLASSES] = {"cat", "d\"og\\", "caf\xc3\xa9 ?\?/", "nn_x", "*/"};
static char *dir;
static wk_error error;

/* ---- networks ------------------------------------------------------------------------------------------- */

static wk_window window(int kh, int kw, int stride, int dilation, int top, int bottom, int left, int right) {
  return (wk_window){.kernel_h = kh,
                     .kernel_w = kw,
                     .stride_h = stride,
                     .stride_w = stride,
                     .dilation_h = dilation,
                     .dilation_w = dilation,
                     .pad_top = top,
                     .pad_bottom = bottom,
                     .pad_left = left,
                     .pad_right = right};
}

/* One of each layer that computes; some there are in float32 alone. */
static bool floats_alone;

static void build_all(wk_graph *g, wk_node x) {
  wk_window pool = window(3, 2, 2, 1, 1, 0, 0, 1);
  x = wk_graph_conv(g, "stem", x, 34, window(3, 3, 2, 1, 0, 1, 0, 1), 1, true);
  x = wk_graph_unary(g, "stem.relu6", WK_OP_RELU6, x);
  x = wk_graph_pool(g, "max", WK_OP_MAX_POOL, x, pool);
  pool.ceil_mode = true;
  wk_node y = wk_graph_conv(g, "depthwise", x, 34, window(5, 3, 1, 1, 2, 2, 1, 1), 34, false);
  y = wk_graph_batch_norm(g, "depthwise.bn", y, 1e-5f);
  y = wk_graph_unary(g, "hswish", WK_OP_HARDSWISH, y);
  wk_node s = wk_graph_adaptive_avg_pool(g, "se.pool", y, 1, 1);
  s = wk_graph_conv(g, "se.fc1", s, 7, wk_window_square(1, 1, 0), 1, true);
  s = wk_graph_unary(g, "se.silu", WK_OP_SILU, s);
  s = wk_graph_conv(g, "se.fc2", s, 34, wk_window_square(1, 1, 0), 1, true);
  s = wk_graph_unary(g, "se.gate", WK_OP_HARDSIGMOID, s);
  y = wk_graph_scale(g, "se.scale", y, s);
  x = wk_graph_add(g, "add", x, y);
  x = wk_graph_batch_norm(g, "alone", x, 1e-3f);
  x = wk_graph_unary(g, "alone.relu", WK_OP_RELU, x);
  y = wk_graph_conv(g, "grouped", x, 68, window(3, 3, 1, 2, 2, 2, 2, 2), 2, true);
  y = wk_graph_unary(g, "gelu", WK_OP_GELU, y);
  y = wk_graph_shuffle(g, "shuffle", y, 4);
  wk_node z = wk_graph_slice(g, "slice", y, 3, 34);
  z = wk_graph_unary(g, "tanh", WK_OP_TANH, z);
  z = wk_graph_multiply(g, "multiply", z, x);
  z = wk_graph_leaky(g, "leaky", WK_OP_LEAKY_RELU, z, 0.1f);
  y = wk_graph_leaky(g, "elu", WK_OP_ELU, y, 0.7f);
  x = wk_graph_concat(g, "concat", (const wk_node[]){z, y, x}, 3);
  if (floats_alone)
    x = wk_graph_lrn(g, "lrn", x, 5, 0.02f, 0.75f, 1.5f);
  x = wk_graph_pad(g, "pad", x, window(1, 1, 1, 1, 1, 0, 2, 1), 1, 2);
  x = wk_graph_conv(g, "multiplied", x, 278, window(3, 3, 2, 1, 1, 1, 1, 1), 139, true);
  x = wk_graph_unary(g, "sigmoid", WK_OP_SIGMOID, x);
  pool.count_include_pad = true;
  x = wk_graph_pool(g, "avg", WK_OP_AVG_POOL, x, pool);
  x = wk_graph_round(g, "round", x, 1.0f / 512, 0, 500);
  wk_graph_outputs(g, x, -1);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 3, 2);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  x = wk_graph_linear(g, "fc1", x, 40);
  x = wk_graph_unary(g, "fc1.relu", WK_OP_RELU, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc2", x, CLASSES));
}

/* A flatten whose order is seen, because a batch norm reads it; a first layer that cannot read bytes. */
static void build_odd(wk_graph *g, wk_node x) {
  wk_node y = wk_graph_conv(g, "a", x, 6, wk_window_square(3, 3, 1), 3, false);
  wk_node z = wk_graph_conv(g, "b", x, 6, wk_window_square(3, 3, 1), 1, true);
  x = wk_graph_add(g, "sum", y, z);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 13, 7);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  x = wk_graph_unary(g, "flat.relu", WK_OP_SIGMOID, x);
  x = wk_graph_batch_norm(g, "norm", x, 1e-5f);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, CLASSES));
}

/* A classifier that is a convolution and a pooling, as SqueezeNet's; softmax within. */
static void build_convolutional(wk_graph *g, wk_node x) {
  x = wk_graph_conv(g, "a", x, 33, wk_window_square(3, 2, 0), 1, true);
  x = wk_graph_unary(g, "soft", WK_OP_SOFTMAX, x);
  wk_node y = wk_graph_adaptive_avg_pool(g, "features", x, 1, 1);
  y = wk_graph_unary(g, "features.flat", WK_OP_FLATTEN, y);
  x = wk_graph_conv(g, "b", x, CLASSES, wk_window_square(1, 1, 0), 1, true);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  wk_graph_outputs(g, y, wk_graph_unary(g, "flat", WK_OP_FLATTEN, x));
}

/* Channels that differ by as much as 64 between convolutions (seeded_weights), and matter alike behind them. */
static void build_uneven(wk_graph *g, wk_node x) {
  x = wk_graph_conv(g, "stem", x, 8, window(3, 3, 2, 1, 1, 1, 1, 1), 1, false);
  x = wk_graph_conv(g, "uneven", x, 28, wk_window_square(1, 1, 0), 1, false);
  x = wk_graph_unary(g, "uneven.relu6", WK_OP_RELU6, x);
  x = wk_graph_conv(g, "depthwise", x, 28, window(3, 3, 2, 1, 1, 1, 1, 1), 28, false);
  x = wk_graph_unary(g, "depthwise.relu6", WK_OP_RELU6, x);
  x = wk_graph_conv(g, "even", x, 12, wk_window_square(1, 1, 0), 1, false);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, CLASSES));
}

static wk_tensors *seeded_weights(const wk_graph *g) {
  wk_tensors *t = NULL;
  wk_rng rng;
  float *w;
  wk_rng_init(&rng, 7, 0);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *info = wk_graph_param(g, i);
    const int64_t n = wk_tensor_count(info->ndim, info->shape);
    const double each = info->ndim > 1 ? (double)n / (double)info->shape[0] : 1;
    assert_ok(wk_tensors_add_zeros(t, &w, info->name, info->ndim, info->shape, &error), &error);
    for (int64_t k = 0; k < n; k++)
      w[k] = info->ndim > 1 ? (float)(wk_rng_normal(&rng) * sqrt(2 / each)) : 0.5f + (float)wk_rng_uniform(&rng);
    for (int64_t k = 0; k < n && strcmp(info->name, "uneven.weight") == 0; k++)
      w[k] = ldexpf(w[k], -(int)(k / info->shape[1] % 7));
    for (int64_t k = 0; k < n && strcmp(info->name, "even.weight") == 0; k++)
      w[k] = ldexpf(w[k], (int)(k % info->shape[1] % 7));
  }
  return t;
}

static wk_model *model_of(void (*build)(wk_graph *g, wk_node x), bool bgr) {
  wk_graph *g = NULL;
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.height = SIDE, p.width = WIDE, p.rule = WK_CROP_SQUASH, p.bgr = bgr;
  assert_ok(wk_graph_create(&g, &error), &error);
  build(g, wk_graph_input(g, "input", SIDE, WIDE, 3));
  assert_ok(wk_graph_finish(g, &error), &error);
  assert_ok(wk_backbone_from_graph(&b, g, seeded_weights(g), "test", &p, &error), &error);
  assert_ok(wk_model_create(&m, b, NULL, labels, "{}", &error), &error);
  return m;
}

static void picture(uint8_t rgb[SIDE * WIDE * 3]) {
  wk_rng rng;
  wk_rng_init(&rng, 11, 0);
  for (int i = 0; i < SIDE * WIDE * 3; i++)
    rgb[i] = (uint8_t)wk_rng_below(&rng, 256);
}

/* ---- compiling ------------------------------------------------------------------------------------------ */

static const char program[] =
    "#include <stdio.h>\n"
    "#define MY_NET_IMPLEMENTATION\n"
    "#include \"my-net.h\"\n"
    "static NUMBER work[MY_NET_WORK];\n"
    "static float score[MY_NET_CLASSES];\n"
    "static float weights[MY_NET_WEIGHT_BYTES / 4 + 1];\n"
    "static unsigned char rgb[MY_NET_WIDTH * MY_NET_HEIGHT * 3];\n"
    "int main(int argc, char **argv) {\n"
    "  int i;\n"
    "  FILE *f = fopen(argv[1], \"rb\");\n"
    "  size_t n = f ? fread(weights, 1, sizeof weights, f) : 0;\n"
    "  if (argc != 4 || my_net_check(weights, n)) return 2;\n"
    "  fclose(f);\n"
    "  if (!(f = fopen(argv[2], \"rb\")) || fread(rgb, 1, sizeof rgb, f) != sizeof rgb) return 3;\n"
    "  fclose(f);\n"
    "  my_net_logits(score, rgb, weights, work);\n"
    "  if (!(f = fopen(argv[3], \"wb\")) || fwrite(score, sizeof *score, MY_NET_CLASSES, f) != MY_NET_CLASSES) return "
    "4;\n"
    "  fclose(f);\n"
    "  my_net_softmax(score);\n"
    "  for (i = 0; i < MY_NET_CLASSES; i++) printf(\"%s %g\\n\", my_net_labels[i], score[i]);\n"
    "  weights[99] += 1;\n"
    "  if (my_net_check(weights, n) == 0 || my_net_check(weights, n - 4) == 0) return 5;\n"
    "  return 0;\n"
    "}\n";

static char *in_dir(const char *name) {
  char *path = wk_path_join(dir, name);
  assert_non_null(path);
  return path;
}

static void write_in_dir(const char *name, const void *bytes, size_t n) {
  char *path = in_dir(name);
  assert_ok(wk_file_write(path, bytes, n, &error), &error);
  wk_free(path);
}

static int run(const char *fmt, ...) {
  char command[2000];
  va_list args;
  va_start(args, fmt);
  vsnprintf(command, sizeof command, fmt, args);
  va_end(args);
  return system(command);
}

static bool have(const char *compiler) { return run("%s --version >/dev/null 2>&1", compiler) == 0; }

/* Compiles and runs the network in `dir`; its logits. */
static void compiled(float *out, const char *compiler, const char *language, const char *number) {
  write_in_dir("main.c", program, sizeof program - 1);
  assert_int_equal(run("cd '%s' && %s -x %s '-DNUMBER=%s' -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion "
                       "-Werror -O1 main.c "
                       "-o main -lm",
                       dir, compiler, language, number),
                   0);
  assert_int_equal(run("cd '%s' && ./main my-net.weights rgb logits >said", dir), 0);
  uint8_t *bytes = NULL;
  size_t size = 0;
  char *path = in_dir("logits");
  assert_ok(wk_file_read(&bytes, &size, path, 1 << 20, &error), &error);
  assert_int_equal(size, CLASSES * sizeof *out);
  memcpy(out, bytes, size);
  wk_free(bytes);
  wk_free(path);
}

/* What the compiled network calls its classes. */
static void check_labels(void) {
  char *path = in_dir("said");
  uint8_t *text = NULL;
  size_t size = 0;
  assert_ok(wk_file_read(&text, &size, path, 1 << 20, &error), &error);
  const char *at = (const char *)text;
  for (int i = 0; i < CLASSES; i++) {
    assert_memory_equal(at, labels[i], strlen(labels[i]));
    at = strchr(at, '\n') + 1;
  }
  wk_free(text);
  wk_free(path);
}

static void try_network(void (*build)(wk_graph *g, wk_node x), bool bgr) {
  uint8_t rgb[SIDE * WIDE * 3];
  float want[CLASSES], replayed[CLASSES], made[CLASSES], largest = 0;
  wk_export_options o;
  wk_model *m = model_of(build, bgr);
  dir = test_tmp_dir();
  char *header = in_dir("my-net.h");
  picture(rgb);
  write_in_dir("rgb", rgb, sizeof rgb);
  wk_export_options_init(&o);
  o.format = "c";
  assert_ok(wk_export_write(m, header, &o, NULL, &error), &error);
  assert_ok(wk_model_logits(want, m, rgb, SIDE, WIDE, NULL, &error), &error);
  assert_ok(wk_export_run(replayed, m, header, &o, rgb, &error), &error);
  for (int i = 0; i < CLASSES; i++)
    largest = fmaxf(largest, fabsf(want[i]));
  assert_true(largest > 0.01f);
  for (int i = 0; i < CLASSES; i++)
    assert_near(replayed[i], want[i], 2e-5 * (double)largest); /* other orders of the sums */
  if (!have(TEST_CC)) {
    printf("skipped: no C compiler\n");
  } else {
    compiled(made, TEST_CC " -std=c99", "c", "float");
    for (int i = 0; i < CLASSES; i++)
      assert_near(made[i], want[i], 2e-5 * (double)largest);
    check_labels();
  }
  if (have(TEST_CXX)) {
    compiled(made, TEST_CXX, "c++", "float");
    for (int i = 0; i < CLASSES; i++)
      assert_near(made[i], want[i], 2e-5 * (double)largest);
  }
  wk_free(header);
  test_tmp_remove(dir);
  wk_model_free(m);
}

static void test_every_layer(void **state) {
  (void)state;
  floats_alone = true;
  try_network(build_all, false);
}

/* A photo to calibrate on, which is what the network sees; options for 8 bits. */
static char *calibrate(wk_export_options *o, const uint8_t *rgb) {
  static const char *list[1];
  wk_image shown = {0};
  char *photo = in_dir("photo.png");
  assert_ok(wk_image_alloc(&shown, WIDE, SIDE, &error), &error);
  memcpy(shown.pixels, rgb, SIDE * WIDE * 3);
  assert_ok(wk_image_save_png(&shown, photo, &error), &error);
  wk_image_free(&shown);
  wk_export_options_init(o);
  o->format = "c";
  o->precision = WK_EXPORT_INT8;
  list[0] = photo;
  o->photos = list;
  o->photo_count = 1;
  return photo;
}

/* Within what rounding to 255 steps at each layer does; compiled, the very numbers of the replay. */
static void try_small(void (*build)(wk_graph *g, wk_node x), double most, bool compile) {
  uint8_t rgb[SIDE * WIDE * 3];
  float want[CLASSES], replayed[CLASSES], made[CLASSES], largest = 0;
  wk_export_options o;
  wk_model *m = model_of(build, false);
  dir = test_tmp_dir();
  picture(rgb);
  char *header = in_dir("my-net.h"), *photo = calibrate(&o, rgb);
  write_in_dir("rgb", rgb, sizeof rgb);
  assert_ok(wk_export_write(m, header, &o, NULL, &error), &error);
  assert_ok(wk_model_logits(want, m, rgb, SIDE, WIDE, NULL, &error), &error);
  assert_ok(wk_export_run(replayed, m, header, &o, rgb, &error), &error);
  for (int i = 0; i < CLASSES; i++)
    largest = fmaxf(largest, fabsf(want[i]));
  for (int i = 0; i < CLASSES; i++)
    assert_near(replayed[i], want[i], most * (double)largest);
  if (compile && have(TEST_CC)) {
    compiled(made, TEST_CC " -std=c99", "c", "signed char");
    assert_memory_equal(made, replayed, sizeof made);
  }
  if (compile && have(TEST_CXX)) {
    compiled(made, TEST_CXX, "c++", "signed char");
    assert_memory_equal(made, replayed, sizeof made);
  }
  wk_free(header);
  wk_free(photo);
  test_tmp_remove(dir);
  wk_model_free(m);
}

static void test_small(void **state) {
  (void)state;
  floats_alone = false;
  try_small(build_all, 0.15, true);
  try_small(build_odd, 0.05, true);
  try_small(build_uneven, 0.01, false);
}

/* Rounded to 127ths of the largest, a layer's weights give on average what they gave: of inputs that are 1 on average,
 * their sum. */
static void test_means_stay(void **state) {
  (void)state;
  wk_model *m = model_of(build_uneven, false);
  wk_net *n = NULL;
  wk_net_channel all[64], *channel[16];
  assert_ok(wk_net_create(&n, m, &error), &error);
  for (int c = 0; c < 64; c++)
    all[c] = (wk_net_channel){.range = {0, 2}, .mean = 1, .factor = 1};
  assert_true(n->layers <= 16);
  for (int i = 0; i < n->layers; i++)
    channel[i] = all;
  assert_ok(wk_net_prepare_int8(n, channel, &error), &error);
  for (int i = 2; i < n->layers; i++) {
    const wk_net_layer *l = &n->layer[i];
    const size_t each = l->weights / (size_t)l->to.channels;
    for (int o = 0; l->op == WK_OP_CONV && o < l->to.channels; o++) {
      const float *row = l->weight + (size_t)o * each;
      float most = 0;
      double was = 0, is = (double)l->bias[o]; /* which was 0 */
      for (size_t k = 0; k < each; k++)
        most = fmaxf(most, fabsf(row[k]));
      for (size_t k = 0; k < each; k++) {
        was += (double)row[k];
        is += round((double)row[k] / (double)most * 127) * (double)most / 127;
      }
      assert_near(is, was, 1e-5 * fmax(1, (double)most));
    }
  }
  wk_net_free(n);
  wk_model_free(m);
}

/* MobileNetV2 of width 0.35 with ImageNet's classes fits 2 MB of flash, and with 1.5 MB of working memory as much RAM.
 */
static void test_microcontroller(void **state) {
  (void)state;
  const wk_arch *arch = wk_arch_find("mobilenet_v2_x0_35");
  uint8_t rgb[SIDE * WIDE * 3], *header = NULL;
  wk_graph *g = NULL;
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  wk_export_options o;
  wk_file_view weights;
  const char *names[WK_IMAGENET_CLASSES];
  size_t size = 0;
  dir = test_tmp_dir();
  picture(rgb);
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    names[i] = wk_imagenet_label(i);
  assert_ok(arch->build(&g, WK_IMAGENET_CLASSES, &error), &error);
  assert_ok(wk_backbone_from(&b, arch, seeded_weights(g), &error), &error);
  wk_graph_free(g);
  assert_ok(wk_model_create(&m, b, NULL, names, "{}", &error), &error);
  char *path = in_dir("mcu.h"), *beside = in_dir("mcu.weights"), *photo = calibrate(&o, rgb);
  assert_ok(wk_export_write(m, path, &o, NULL, &error), &error);
  assert_ok(wk_file_map(&weights, beside, &error), &error);
  assert_true(weights.size > 1600000 && weights.size < 2000000);
  wk_file_unmap(&weights);
  assert_ok(wk_file_read(&header, &size, path, 1 << 20, &error), &error);
  const char *work = strstr((const char *)header, "#define MCU_WORK ");
  assert_non_null(work);
  assert_true(atol(work + 17) < 1500000);
  wk_free(header);
  wk_free(path);
  wk_free(beside);
  wk_free(photo);
  test_tmp_remove(dir);
  wk_model_free(m);
}

/* Local response normalisation has no bytes: it is named. */
static void test_not_small(void **state) {
  (void)state;
  floats_alone = true;
  wk_model *m = model_of(build_all, false);
  uint8_t rgb[SIDE * WIDE * 3];
  wk_export_options o;
  dir = test_tmp_dir();
  picture(rgb);
  char *header = in_dir("a.h"), *photo = calibrate(&o, rgb);
  assert_int_equal(wk_export_write(m, header, &o, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'lrn' (lrn)"));
  assert_false(wk_path_exists(header));
  wk_free(header);
  wk_free(photo);
  test_tmp_remove(dir);
  wk_model_free(m);
}

static void test_order_and_colours(void **state) {
  (void)state;
  try_network(build_odd, false);
  try_network(build_convolutional, true);
}

/* The same model, the same bytes; another file of weights is noticed. */
static void test_files(void **state) {
  (void)state;
  wk_model *m = model_of(build_odd, false);
  uint8_t *a = NULL, *b = NULL, rgb[SIDE * WIDE * 3] = {0};
  size_t na = 0, nb = 0;
  float logits[CLASSES];
  wk_export_options o;
  dir = test_tmp_dir();
  char *one = in_dir("1net.h"), *two = in_dir("two.h"), *weights[2] = {in_dir("1net.weights"), in_dir("two.weights")};
  wk_export_options_init(&o);
  o.format = "c";
  assert_ok(wk_export_write(m, one, &o, NULL, &error), &error);
  assert_ok(wk_export_write(m, two, &o, NULL, &error), &error);
  assert_ok(wk_file_read(&a, &na, weights[0], 1 << 20, &error), &error);
  assert_ok(wk_file_read(&b, &nb, weights[1], 1 << 20, &error), &error);
  assert_int_equal(na, nb);
  assert_memory_equal(a, b, na);
  wk_free(a);
  assert_ok(wk_file_read(&a, &na, one, 1 << 20, &error), &error);
  assert_non_null(strstr((const char *)a, "void net_1net_logits(")); /* no name begins with a digit */
  assert_ok(wk_file_write(weights[1], b, nb - 4, &error), &error);
  assert_int_equal(wk_export_run(logits, m, two, &o, rgb, &error), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "two.weights"));
  assert_ok(wk_file_write(weights[1], "mine", 4, &error), &error);
  assert_int_equal(wk_export_write(m, two, &o, NULL, &error), WK_ERR_IO);
  wk_free(a);
  wk_free(b);
  wk_free(one);
  wk_free(two);
  wk_free(weights[0]);
  wk_free(weights[1]);
  test_tmp_remove(dir);
  wk_model_free(m);
}

/* Whatever allocation fails: a status, and no leak. */
static void test_no_memory(void **state) {
  (void)state;
  wk_model *m = model_of(build_odd, false);
  wk_export_options o;
  uint8_t rgb[SIDE * WIDE * 3] = {0};
  float logits[CLASSES];
  dir = test_tmp_dir();
  char *path = in_dir("a.h");
  wk_export_options_init(&o);
  o.format = "c";
  for (long n = 0, failed = 1; failed; n++) {
    test_fail_allocation(n);
    wk_status st = wk_export_write(m, path, &o, NULL, &error);
    if (st == WK_OK)
      st = wk_export_run(logits, m, path, &o, rgb, &error);
    failed = test_allocations() > n;
    test_fail_allocation(-1);
    assert_true(st == (failed ? WK_ERR_MEMORY : WK_OK));
  }
  wk_free(path);
  test_tmp_remove(dir);
  wk_model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_layer),     cmocka_unit_test(test_small),
                                     cmocka_unit_test(test_means_stay),      cmocka_unit_test(test_not_small),
                                     cmocka_unit_test(test_microcontroller), cmocka_unit_test(test_order_and_colours),
                                     cmocka_unit_test(test_files),           cmocka_unit_test(test_no_memory)};
  return cmocka_run_group_tests_name("export_c", tests, NULL, NULL);
}
