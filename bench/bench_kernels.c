/* bench_kernels.c - whisker's own kernels beside oneDNN's, layer by layer, in GFLOP/s and as a share of the measured
 * peak of multiply-adds. Both run interleaved in one process, image-parallel: each thread works on its own images.
 *
 *   bench_kernels [gemm|int8|winograd|stem|mb] [--threads N] [--isa "plain C"|AVX2|AVX-512] [--m 2|4|6] [part of a
 * layer's name]
 */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nn/kernels/int8/microkernels_int8.h"
#include "nn/kernels/microkernels.h"
#include "onednn_conv.h"

/* One thread is timed by the processor time it got, so that other work on the machine disturbs less. */
static clockid_t clock_used = CLOCK_MONOTONIC;
static double now(void) {
  struct timespec t;
  clock_gettime(clock_used, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *buffer(size_t n) {
  float *x = wk_alloc(n * sizeof *x);
  if (!x)
    exit(1);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(i * 2654435761u % 2048) / 1024 - 1;
  return x;
}

typedef struct bench {
  const wk_microkernels *kn;
  int threads;
  double peak; /* flop/s of all threads */
} bench;

static double measure_peak(const wk_microkernels *kn, int threads) {
  double best = 0;
  for (int i = 0; i < 5; i++) {
    double total = 0, start = now();
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
      double flops;
      volatile double sink = kn->peak(&flops, 1000000);
      (void)sink;
      total += flops;
    }
    const double speed = total / (now() - start);
    best = speed > best ? speed : best;
  }
  return best;
}

/* The best of several short runs each, in turn, so that a slow moment of the machine hits both. */
typedef void (*run_fn)(void *user, int thread);
static void compare(double out[2], int threads, run_fn own, run_fn other, void *user) {
  run_fn run[2] = {own, other};
  double best[2] = {1e30, 1e30};
  for (int round = 0; round < 7; round++)
    for (int w = 0; w < 2; w++) {
      if (!run[w])
        continue;
      int times = 0;
      const double start = now();
      double stop;
      do {
#pragma omp parallel num_threads(threads)
        run[w](user, omp_get_thread_num());
        times++;
        stop = now();
      } while (stop - start < 0.06);
      const double t = (stop - start) / times;
      if (round > 0 && t < best[w])
        best[w] = t;
    }
  out[0] = best[0], out[1] = best[1];
}

/* ---- matrix products -------------------------------------------------------------------------- */

typedef struct gemm_shape {
  const char *what;
  int m, k, n;
} gemm_shape;

static const gemm_shape gemm_shapes[] = {
    {"resnet50 56 64-64", 3136, 64, 64},
    {"resnet50 56 64-256", 3136, 64, 256},
    {"resnet50 56 256-64", 3136, 256, 64},
    {"resnet50 28 256-128", 784, 256, 128},
    {"resnet50 28 128-512", 784, 128, 512},
    {"resnet50 28 512-128", 784, 512, 128},
    {"resnet50 14 256-1024", 196, 256, 1024},
    {"resnet50 14 1024-256", 196, 1024, 256},
    {"resnet50 7 512-2048", 49, 512, 2048},
    {"resnet50 7 2048-512", 49, 2048, 512},
    {"resnet50 7x8 512-2048", 392, 512, 2048},
    {"mobilenet_v2 112 16-96", 12544, 16, 96},
    {"mobilenet_v2 112 32-16", 12544, 32, 16},
    {"mobilenet_v2 56 96-24", 3136, 96, 24},
    {"mobilenet_v2 56 24-144", 3136, 24, 144},
    {"mobilenet_v2 28 32-192", 784, 32, 192},
    {"mobilenet_v2 28 192-32", 784, 192, 32},
    {"mobilenet_v2 14 64-384", 196, 64, 384},
    {"mobilenet_v2 14 384-64", 196, 384, 64},
    {"mobilenet_v2 14 576-96", 196, 576, 96},
    {"mobilenet_v2 7 160-960", 49, 160, 960},
    {"mobilenet_v2 7 960-320", 49, 960, 320},
    {"mobilenet_v2 7 320-1280", 49, 320, 1280},
    {"efficientnet_lite0 28 240-40", 784, 240, 40},
    {"efficientnet_lite0 14 480-112", 196, 480, 112},
    {"resnet fc batch 1", 1, 2048, 1000},
    {"resnet fc batch 8", 8, 2048, 1000},
    {"vgg fc6 batch 1", 1, 25088, 4096},
    {"vgg fc7 batch 8", 8, 4096, 4096},
    {"vgg 28 im2row 512", 784, 4608, 512},
};

typedef struct gemm_job {
  const bench *b;
  const gemm_shape *s;
  wk_gemm g[8];
  float *weights, *scratch[8];
} gemm_job;

static void gemm_own(void *user, int thread) {
  const gemm_job *j = user;
  j->b->kn->gemm(&j->g[thread], 0, j->s->m, 0, j->s->n, j->scratch[thread]);
}

static void gemm_dnnl(void *user, int thread) {
  const gemm_job *j = user;
  const gemm_shape *s = j->s;
  dnnl_sgemm('N', 'N', s->m, s->n, s->k, 1, j->g[thread].a, s->k, j->weights, s->n, 0, j->g[thread].c, s->n);
}

static void bench_gemm(const bench *b, const char *only) {
  printf("%-32s %9s %7s %9s %7s\n", "matrix product", "own GF/s", "peak", "dnnl GF/s", "ratio");
  for (size_t i = 0; i < sizeof gemm_shapes / sizeof *gemm_shapes; i++) {
    const gemm_shape *s = &gemm_shapes[i];
    if (only && !strstr(s->what, only))
      continue;
    gemm_job j = {.b = b, .s = s, .weights = buffer((size_t)s->k * (size_t)s->n)};
    float *packed = buffer(b->kn->gemm_packed(s->k, s->n));
    b->kn->gemm_pack(packed, j.weights, s->k, s->n, s->n, 1);
    for (int t = 0; t < b->threads; t++) {
      j.scratch[t] = buffer(b->kn->gemm_shape().scratch);
      j.g[t] = (wk_gemm){.m = s->m,
                         .n = s->n,
                         .k = s->k,
                         .lda = s->k,
                         .ldc = s->n,
                         .b = packed,
                         .act = WK_ACT_RELU,
                         .a = buffer((size_t)s->m * (size_t)s->k),
                         .c = buffer((size_t)s->m * (size_t)s->n)};
    }
    double t[2];
    compare(t, b->threads, gemm_own, gemm_dnnl, &j);
    const double flops = 2.0 * s->m * s->n * s->k * b->threads;
    printf("%-32s %9.1f %6.1f%% %9.1f %6.2fx\n", s->what, flops / t[0] * 1e-9, 100 * flops / t[0] / b->peak,
           flops / t[1] * 1e-9, t[1] / t[0]);
    fflush(stdout);
    for (int k = 0; k < b->threads; k++)
      wk_free(j.scratch[k]), wk_free((float *)j.g[k].a), wk_free(j.g[k].c);
    wk_free(packed), wk_free(j.weights);
  }
}

/* ---- matrix products on small integers --------------------------------------------------------- */

typedef struct int8_job {
  gemm_job f; /* the same product on floats */
  const wk_microkernels_int8 *kn;
  wk_gemm_int8 g[8];
  wk_quantize_int8 q;
  uint8_t *rows[8];
} int8_job;

static void int8_float(void *user, int thread) { gemm_own(&((int8_job *)user)->f, thread); }

/* With the bytes made of floats, as every layer does it. */
static void int8_own(void *user, int thread) {
  const int8_job *j = user;
  const gemm_shape *s = j->f.s;
  const int most = (64 << 10) / s->k < 48 ? 48 : (64 << 10) / s->k;
  for (int row = 0; row < s->m; row += most) {
    const int rows = s->m - row < most ? s->m - row : most;
    wk_gemm_int8 g = j->g[thread];
    j->kn->quantise(&j->q, j->rows[thread], g.lda, j->f.g[thread].a + (ptrdiff_t)row * s->k, rows);
    g.c += (ptrdiff_t)row * s->n;
    j->kn->gemm(&g, 0, rows, 0, s->n);
  }
}

static void bench_int8(const bench *b, const char *only) {
  const wk_microkernels_int8 *kn = wk_microkernels_int8_for(b->kn->isa);
  printf("%-32s %9s %9s %7s %7s  (%s)\n", "product with floats as input", "float G/s", "int8 G/s", "ratio", "peaks",
         kn->name);
  for (size_t i = 0; i < sizeof gemm_shapes / sizeof *gemm_shapes; i++) {
    const gemm_shape *s = &gemm_shapes[i];
    if (only && !strstr(s->what, only))
      continue;
    const int k = wk_up(s->k, WK_INT8_DEPTH);
    const size_t bytes = wk_gemm_int8_packed(kn->panel, k, s->n);
    int8_job j = {.kn = kn, .f = {.b = b, .s = s}};
    float *packed = buffer(b->kn->gemm_packed(s->k, s->n)), *ones = buffer((size_t)s->k + (size_t)s->n + 64);
    float *low = buffer((size_t)s->k), *high = buffer((size_t)s->k);
    int8_t *weights = wk_alloc(bytes);
    int32_t *zero = wk_alloc((size_t)s->k * sizeof *zero);
    if (!weights || !zero)
      exit(1);
    memset(weights, 3, bytes);
    for (int c = 0; c < s->k; c++)
      zero[c] = 64, low[c] = -64, high[c] = 63;
    j.q = (wk_quantize_int8){.channels = s->k, .inverse = ones, .low = low, .high = high, .zero = zero};
    for (int t = 0; t < b->threads; t++) {
      j.f.scratch[t] = buffer(b->kn->gemm_shape().scratch);
      j.f.g[t] = (wk_gemm){.m = s->m,
                           .n = s->n,
                           .k = s->k,
                           .a = buffer((size_t)s->m * (size_t)s->k),
                           .b = packed,
                           .c = buffer((size_t)s->m * (size_t)s->n),
                           .lda = s->k,
                           .ldc = s->n};
      j.rows[t] = wk_alloc((size_t)s->m * (size_t)k);
      j.g[t] = (wk_gemm_int8){.n = s->n,
                              .k = k,
                              .a = j.rows[t],
                              .b = weights,
                              .scale = ones,
                              .bias = ones,
                              .c = j.f.g[t].c,
                              .lda = k,
                              .ldc = s->n};
    }
    double best[2];
    compare(best, b->threads, int8_float, int8_own, &j);
    const double work = 2.0 * s->m * s->k * s->n * b->threads;
    printf("%-32s %9.1f %9.1f %7.2f %7.2f\n", s->what, work / best[0] * 1e-9, work / best[1] * 1e-9, best[0] / best[1],
           work / best[1] / b->peak);
    for (int t = 0; t < b->threads; t++) {
      wk_free(j.f.scratch[t]), wk_free((float *)j.f.g[t].a), wk_free(j.f.g[t].c), wk_free(j.rows[t]);
    }
    wk_free(packed), wk_free(ones), wk_free(low), wk_free(high), wk_free(weights), wk_free(zero);
  }
}

/* ---- 3x3 convolutions by Winograd ------------------------------------------------------------- */

typedef struct conv_shape {
  const char *what;
  int size, in_c, out_c, batch;
} conv_shape;

static const conv_shape conv_shapes[] = {
    {"vgg16 224 64-64", 224, 64, 64, 1},
    {"vgg16 112 64-128", 112, 64, 128, 1},
    {"vgg16 112 128-128", 112, 128, 128, 1},
    {"vgg16 56 128-256", 56, 128, 256, 1},
    {"vgg16 56 256-256", 56, 256, 256, 1},
    {"vgg16 28 256-512", 28, 256, 512, 4},
    {"vgg16 28 512-512", 28, 512, 512, 4},
    {"vgg16 14 512-512 batch 8", 14, 512, 512, 8},
    {"vgg16 14 512-512 batch 1", 14, 512, 512, 1},
    {"resnet 56 64-64", 56, 64, 64, 4},
    {"resnet 28 128-128", 28, 128, 128, 4},
    {"resnet 14 256-256 batch 8", 14, 256, 256, 8},
    {"resnet 14 256-256 batch 1", 14, 256, 256, 1},
    {"resnet 7 512-512 batch 8", 7, 512, 512, 8},
    {"resnet 7 512-512 batch 1", 7, 512, 512, 1},
};

typedef struct winograd_job {
  const bench *b;
  wk_winograd w[8];
  float *scratch[8], *on_the_fly;
} winograd_job;

static void winograd_own(void *user, int thread) {
  const winograd_job *j = user;
  const wk_winograd *w = &j->w[thread];
  j->b->kn->winograd(w, 0, j->b->kn->winograd_shape(w).tiles, 0, w->out_c, j->scratch[thread]);
}

static void winograd_packed_taps(void *user, int thread) {
  const winograd_job *j = user;
  wk_winograd w = j->w[thread];
  w.on_the_fly = true, w.weights = j->on_the_fly;
  j->b->kn->winograd(&w, 0, j->b->kn->winograd_shape(&w).tiles, 0, w.out_c, j->scratch[thread]);
}

static void bench_winograd(const bench *b, const char *only, int m) {
  printf("%-32s %9s %7s %9s\n", "3x3 by Winograd", "own GF/s", "peak", m == 4 ? "light" : "");
  for (size_t i = 0; i < sizeof conv_shapes / sizeof *conv_shapes; i++) {
    const conv_shape *s = &conv_shapes[i];
    if (only && !strstr(s->what, only))
      continue;
    winograd_job j = {.b = b};
    float *weights = buffer((size_t)s->in_c * (size_t)s->out_c * 9), *bias = buffer((size_t)s->out_c);
    float *packed = buffer(b->kn->winograd_packed(m, s->in_c, s->out_c));
    b->kn->winograd_pack(packed, weights, m, s->in_c, s->out_c, 9, 9 * s->in_c, false);
    j.on_the_fly = buffer(b->kn->winograd_packed_taps(s->in_c, s->out_c));
    b->kn->winograd_pack_taps(j.on_the_fly, weights, s->in_c, s->out_c, 9, 9 * s->in_c, false);
    const size_t pixels = (size_t)s->batch * (size_t)s->size * (size_t)s->size;
    for (int t = 0; t < b->threads; t++) {
      j.w[t] = (wk_winograd){.m = m,
                             .batch = s->batch,
                             .in_h = s->size,
                             .in_w = s->size,
                             .in_c = s->in_c,
                             .out_h = s->size,
                             .out_w = s->size,
                             .out_c = s->out_c,
                             .pad_top = 1,
                             .pad_left = 1,
                             .in = buffer(pixels * (size_t)s->in_c),
                             .weights = packed,
                             .bias = bias,
                             .out = buffer(pixels * (size_t)s->out_c),
                             .act = WK_ACT_RELU};
      wk_winograd light = j.w[t];
      light.on_the_fly = m == 4;
      const size_t own = b->kn->winograd_shape(&j.w[t]).scratch, other = b->kn->winograd_shape(&light).scratch;
      j.scratch[t] = buffer(own > other ? own : other);
    }
    double t[2] = {0};
    compare(t, b->threads, winograd_own, m == 4 ? winograd_packed_taps : NULL, &j);
    const double flops = 18.0 * (double)pixels * s->in_c * s->out_c * b->threads;
    printf("%-32s %9.1f %6.1f%%", s->what, flops / t[0] * 1e-9, 100 * flops / t[0] / b->peak);
    if (m == 4)
      printf(" %9.1f", flops / t[1] * 1e-9);
    printf("\n");
    fflush(stdout);
    wk_free(j.on_the_fly);
    for (int k = 0; k < b->threads; k++)
      wk_free(j.scratch[k]), wk_free((float *)j.w[k].in), wk_free(j.w[k].out);
    wk_free(packed), wk_free(weights), wk_free(bias);
  }
}

/* ---- the first layers of networks ------------------------------------------------------------- */

typedef struct stem_shape {
  const char *what;
  int size, kernel, stride, out_c;
} stem_shape;

static const stem_shape stem_shapes[] = {
    {"mobilenet_v2, efficientnet_lite0", 224, 3, 2, 32},
    {"mobilenet_v3", 224, 3, 2, 16},
    {"resnet", 224, 7, 2, 64},
    {"vgg", 224, 3, 1, 64},
};

enum { STEM_OWN, STEM_BYTES, STEM_WAYS };

typedef struct stem_job {
  wk_exec *exec[STEM_WAYS][8];
  onednn_conv *other[8];
  float *in;
  uint8_t *bytes;
} stem_job;

static void stem_run(const stem_job *j, int way, int thread) {
  wk_error err;
  if ((way == STEM_BYTES ? wk_exec_run_pixels(j->exec[way][thread], j->bytes, 1, &err)
                         : wk_exec_run(j->exec[way][thread], j->in, 1, &err)) != WK_OK)
    exit(1);
}
static void stem_own(void *user, int thread) { stem_run(user, STEM_OWN, thread); }
static void stem_bytes(void *user, int thread) { stem_run(user, STEM_BYTES, thread); }
static void stem_dnnl(void *user, int thread) { onednn_conv_run(((stem_job *)user)->other[thread]); }

static void stem_one(const bench *b, const stem_shape *s) {
  const wk_pixels pixels = {.mean = {124, 116, 104}, .std = {58, 57, 57}};
  const size_t values = (size_t)(s->size * s->size * 3);
  wk_error err;
  wk_graph *g = NULL;
  wk_tensors *weights = NULL;
  wk_plan *plan[STEM_WAYS] = {NULL};
  stem_job j = {.in = buffer(values), .bytes = wk_calloc(values, 1)};
  float *w;
  if (!j.bytes || wk_graph_create(&g, &err) != WK_OK || wk_tensors_create(&weights, &err) != WK_OK ||
      wk_tensors_add_zeros(weights, &w, "conv.weight", 4, (const int64_t[]){s->out_c, 3, s->kernel, s->kernel}, &err) !=
          WK_OK ||
      wk_tensors_add_zeros(weights, &w, "conv.bias", 1, (const int64_t[]){s->out_c}, &err) != WK_OK)
    exit(1);
  wk_node x = wk_graph_input(g, "input", s->size, s->size, 3);
  x = wk_graph_conv(g, "conv", x, s->out_c, wk_window_square(s->kernel, s->stride, s->kernel / 2), 1, true);
  x = wk_graph_unary(g, "act", WK_OP_RELU, x);
  if (wk_graph_finish(g, &err) != WK_OK)
    exit(1);
  wk_node_info info;
  for (int way = 0; way < STEM_WAYS; way++) {
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.batch = 1, o.output = &x, o.outputs = 1;
    o.pixels = way == STEM_BYTES ? &pixels : NULL;
    if (wk_plan_create(&plan[way], g, weights, &o, &err) != WK_OK)
      exit(1);
    for (int t = 0; t < b->threads; t++)
      if (wk_exec_create(&j.exec[way][t], plan[way], &err) != WK_OK)
        exit(1);
  }
  const int out = s->size / s->stride;
  const onednn_shape shape = {.batch = 1,
                              .in_h = s->size,
                              .in_w = s->size,
                              .in_c = 3,
                              .out_h = out,
                              .out_w = out,
                              .out_c = s->out_c,
                              .groups = 1,
                              .kernel_h = s->kernel,
                              .kernel_w = s->kernel,
                              .stride_h = s->stride,
                              .stride_w = s->stride,
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .pad_top = s->kernel / 2,
                              .pad_left = s->kernel / 2,
                              .pad_bottom = s->kernel / 2,
                              .pad_right = s->kernel / 2};
  for (int t = 0; t < b->threads; t++)
    j.other[t] = onednn_conv_create(&shape, ONEDNN_FORWARD);
  double t[2], bytes[2];
  compare(t, b->threads, stem_own, stem_dnnl, &j);
  compare(bytes, b->threads, stem_bytes, NULL, &j);
  if (wk_graph_node(&info, g, wk_graph_find(g, "conv"), 0, 0, &err) != WK_OK)
    exit(1);
  const double flops = 2.0 * (double)info.macs * b->threads;
  printf("%-32s %9.3f %9.3f %9.3f %6.2fx %9.1f %6.1f%%\n", s->what, 1e3 * t[0], 1e3 * bytes[0], 1e3 * t[1],
         t[1] / bytes[0], flops / bytes[0] * 1e-9, 100 * flops / bytes[0] / b->peak);
  fflush(stdout);
  for (int way = 0; way < STEM_WAYS; way++) {
    for (int k = 0; k < b->threads; k++)
      wk_exec_free(j.exec[way][k]);
    wk_plan_free(plan[way]);
  }
  for (int k = 0; k < b->threads; k++)
    onednn_conv_free(j.other[k]);
  wk_tensors_free(weights);
  wk_graph_free(g);
  wk_free(j.in);
  wk_free(j.bytes);
}

/* On this processor's own instruction set. */
static void bench_stem(const bench *b, const char *only) {
  printf("%-32s %9s %9s %9s %7s %9s %7s\n", "first layer, one photo, ms", "floats", "bytes", "dnnl", "ratio",
         "bytes GF/s", "peak");
  for (size_t i = 0; i < sizeof stem_shapes / sizeof *stem_shapes; i++)
    if (!only || strstr(stem_shapes[i].what, only))
      stem_one(b, &stem_shapes[i]);
}

/* ---- depthwise convolutions and inverted residuals -------------------------------------------- */

typedef struct mb_shape {
  const char *what;
  int size, in_c, mid_c, out_c, kernel, stride;
} mb_shape;

static const mb_shape mb_shapes[] = {
    {"mobilenet_v2 112 16-96-24 s2", 112, 16, 96, 24, 3, 2},
    {"mobilenet_v2 56 24-144-24", 56, 24, 144, 24, 3, 1},
    {"mobilenet_v2 28 32-192-32", 28, 32, 192, 32, 3, 1},
    {"mobilenet_v2 14 64-384-64", 14, 64, 384, 64, 3, 1},
    {"mobilenet_v2 14 96-576-96", 14, 96, 576, 96, 3, 1},
    {"mobilenet_v2 7 160-960-160", 7, 160, 960, 160, 3, 1},
    {"efficientnet_lite0 112 32-32-16", 112, 32, 32, 16, 3, 1},
    {"efficientnet_lite0 56 24-144-40 5 s2", 56, 24, 144, 40, 5, 2},
    {"efficientnet_lite0 28 40-240-40 5", 28, 40, 240, 40, 5, 1},
    {"efficientnet_lite0 14 80-480-112 5", 14, 80, 480, 112, 5, 1},
    {"efficientnet_lite0 14 112-672-112 5", 14, 112, 672, 112, 5, 1},
    {"efficientnet_lite0 7 192-1152-192 5", 7, 192, 1152, 192, 5, 1},
};

typedef struct mb_job {
  const bench *b;
  wk_mbconv f[8];
  wk_depthwise d[8];
  float *expanded[8], *middle[8], *scratch[8];
} mb_job;

static void mb_fused(void *user, int t) {
  const mb_job *j = user;
  j->b->kn->mbconv(&j->f[t], 0, j->f[t].batch * j->f[t].out_h, j->scratch[t]);
}

static void mb_parts(void *user, int t) {
  const mb_job *j = user;
  const wk_microkernels *kn = j->b->kn;
  const wk_mbconv *f = &j->f[t];
  const wk_gemm e = {.m = f->batch * f->in_h * f->in_w,
                     .n = f->mid_c,
                     .k = f->in_c,
                     .a = f->in,
                     .lda = f->in_c,
                     .b = f->expand,
                     .bias = f->expand_bias,
                     .c = j->expanded[t],
                     .ldc = f->mid_c,
                     .act = WK_ACT_RELU6};
  if (f->expand)
    kn->gemm(&e, 0, e.m, 0, e.n, j->scratch[t]);
  kn->depthwise(&j->d[t], 0, f->batch * f->out_h, 0, f->mid_c);
  const wk_gemm p = {.m = f->batch * f->out_h * f->out_w,
                     .n = f->out_c,
                     .k = f->mid_c,
                     .a = j->middle[t],
                     .lda = f->mid_c,
                     .b = f->project,
                     .bias = f->project_bias,
                     .add = f->add,
                     .ldadd = f->out_c,
                     .c = f->out,
                     .ldc = f->out_c};
  kn->gemm(&p, 0, p.m, 0, p.n, j->scratch[t]);
}

static void mb_depthwise(void *user, int t) {
  const mb_job *j = user;
  j->b->kn->depthwise(&j->d[t], 0, j->f[t].batch * j->f[t].out_h, 0, j->f[t].mid_c);
}

static void bench_mb(const bench *b, const char *only) {
  printf("%-38s %9s %7s %9s %7s %9s\n", "inverted residual, batch 8", "fused", "peak", "in parts", "ratio",
         "depthwise");
  for (size_t i = 0; i < sizeof mb_shapes / sizeof *mb_shapes; i++) {
    const mb_shape *s = &mb_shapes[i];
    if (only && !strstr(s->what, only))
      continue;
    const int out = (s->size + s->stride - 1) / s->stride, taps = s->kernel * s->kernel, batch = 8;
    const size_t ins = (size_t)(batch * s->size * s->size), outs = (size_t)(batch * out * out);
    float *expand = buffer(b->kn->gemm_packed(s->in_c, s->mid_c)),
          *project = buffer(b->kn->gemm_packed(s->mid_c, s->out_c));
    float *weights = buffer((size_t)(taps * s->mid_c)), *bias = buffer(2048);
    mb_job j = {.b = b};
    for (int t = 0; t < b->threads; t++) {
      float *in = buffer(ins * (size_t)s->in_c);
      j.expanded[t] = buffer(ins * (size_t)s->mid_c), j.middle[t] = buffer(outs * (size_t)s->mid_c);
      j.f[t] = (wk_mbconv){.batch = batch,
                           .in_h = s->size,
                           .in_w = s->size,
                           .in_c = s->in_c,
                           .mid_c = s->mid_c,
                           .out_h = out,
                           .out_w = out,
                           .out_c = s->out_c,
                           .kernel = s->kernel,
                           .stride = s->stride,
                           .pad_top = s->kernel / 2,
                           .pad_left = s->kernel / 2,
                           .in = in,
                           .expand = s->in_c == s->mid_c ? NULL : expand,
                           .expand_bias = bias,
                           .depthwise = weights,
                           .depthwise_bias = bias,
                           .project = project,
                           .project_bias = bias,
                           .add = s->stride == 1 && s->in_c == s->out_c ? in : NULL,
                           .out = buffer(outs * (size_t)s->out_c),
                           .expand_act = WK_ACT_RELU6,
                           .depthwise_act = WK_ACT_RELU6};
      j.d[t] = (wk_depthwise){.in_h = s->size,
                              .in_w = s->size,
                              .channels = s->mid_c,
                              .out_h = out,
                              .out_w = out,
                              .kernel_h = s->kernel,
                              .kernel_w = s->kernel,
                              .stride = s->stride,
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .pad_top = s->kernel / 2,
                              .pad_left = s->kernel / 2,
                              .in = j.expanded[t],
                              .weights = weights,
                              .bias = bias,
                              .out = j.middle[t],
                              .act = WK_ACT_RELU6};
      j.scratch[t] = buffer(b->kn->mbconv_shape(&j.f[t]).scratch);
    }
    double t[2], dw[2];
    compare(t, b->threads, mb_fused, mb_parts, &j);
    compare(dw, b->threads, mb_depthwise, NULL, &j);
    const double dw_flops = 2.0 * (double)outs * s->mid_c * taps * b->threads;
    const double flops = dw_flops + 2.0 * s->mid_c * b->threads *
                                        ((s->in_c == s->mid_c ? 0 : (double)ins * s->in_c) + (double)outs * s->out_c);
    printf("%-38s %9.1f %6.1f%% %9.1f %6.2fx %9.1f\n", s->what, flops / t[0] * 1e-9, 100 * flops / t[0] / b->peak,
           flops / t[1] * 1e-9, t[1] / t[0], dw_flops / dw[0] * 1e-9);
    fflush(stdout);
    for (int k = 0; k < b->threads; k++)
      wk_free((float *)j.f[k].in), wk_free(j.f[k].out), wk_free(j.expanded[k]), wk_free(j.middle[k]),
          wk_free(j.scratch[k]);
    wk_free(expand), wk_free(project), wk_free(weights), wk_free(bias);
  }
}

int main(int argc, char **argv) {
  bench b = {.threads = 1};
  omp_set_num_threads(1); /* inside oneDNN */
  wk_isa isa = wk_cpu_isa();
  const char *only = NULL, *part = NULL;
  int m = 4;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--threads") && i + 1 < argc)
      b.threads = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--isa") && i + 1 < argc) {
      i++;
      for (int s = WK_ISA_C; s <= WK_ISA_AVX512; s++)
        if (!strcmp(argv[i], wk_isa_name((wk_isa)s)))
          isa = (wk_isa)s;
    } else if (!strcmp(argv[i], "--m") && i + 1 < argc)
      m = atoi(argv[++i]);
    else if (!strcmp(argv[i], "gemm") || !strcmp(argv[i], "int8") || !strcmp(argv[i], "winograd") ||
             !strcmp(argv[i], "stem") || !strcmp(argv[i], "mb"))
      part = argv[i];
    else
      only = argv[i];
  }
  b.kn = wk_microkernels_for(isa);
  if (b.threads == 1)
    clock_used = CLOCK_THREAD_CPUTIME_ID;
  if (!b.kn || b.threads < 1 || b.threads > 8)
    return 2;
  b.peak = measure_peak(b.kn, b.threads);
  printf("%s, %d thread(s): measured peak %.1f GFLOP/s\n", wk_isa_name(isa), b.threads, b.peak * 1e-9);
  if (!part || !strcmp(part, "gemm"))
    bench_gemm(&b, only);
  if (!part || !strcmp(part, "int8"))
    bench_int8(&b, only);
  if (!part || !strcmp(part, "winograd"))
    bench_winograd(&b, only, m);
  if (!part || !strcmp(part, "stem"))
    bench_stem(&b, only);
  if (!part || !strcmp(part, "mb"))
    bench_mb(&b, only);
  return 0;
}
