/* bench_grouped.c - whisker's convolutions with groups or dilation beside oneDNN's, forward and both gradients, on
 * every such shape of torchvision's networks: the kernels that the planner chooses, on one thread, in turns within one
 * run.
 *
 *   bench_grouped [groups|dilated|depthwise|others] [forward|data|weights] [--stride N] [--least R] [--rounds N]
 * [--csv] [part of a network's name]
 *
 * Without a class: all but depthwise. The ratio is the median of those of the rounds, and above 1 where whisker is
 * faster. Ends with 1 where one is below R (0.9). */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grouped_shapes.h"
#include "nn/graph/graph.h"
#include "nn/ops/op.h"
#include "nn/ops/op_table.h"
#include "onednn_conv.h"

#define SECONDS 0.008 /* of a round, at least */
#define FLOPS 2e9     /* of a call: fewer photos where it would be more */
enum { PHOTOS = 4, MAX_ROUNDS = 99, DIRECTIONS = 3 };

/* Of networks that torchvision has not. */
static const grouped_shape other_shapes[] = {
    {SHAPE_GROUPS, "shufflenet_v1_g3", 28, 28, 240, 60, 3, 1, 1, 0, 1},
    {SHAPE_GROUPS, "shufflenet_v1_g3", 14, 14, 120, 480, 3, 1, 1, 0, 1},
    {SHAPE_GROUPS, "shufflenet_v1_g8", 28, 28, 384, 96, 8, 1, 1, 0, 1},
    {SHAPE_GROUPS, "shufflenet_v1_g8", 14, 14, 192, 768, 8, 1, 1, 0, 1},
    {SHAPE_DILATED, "depthwise dilated", 28, 28, 240, 240, 240, 3, 1, 2, 2},
};

/* Processor time: other work on the machine disturbs less. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *memory(size_t bytes) {
  void *p = wk_alloc(bytes + 64);
  if (!p)
    exit(2);
  memset(p, 0, bytes + 64);
  return p;
}

static float *numbers(size_t n) {
  float *x = memory(n * sizeof *x);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)((uint32_t)i * 2654435761u >> 16) / 32768 - 1;
  return x;
}

static int out_side(const grouped_shape *s, int in) {
  return (in + 2 * s->pad - s->dilation * (s->kernel - 1) - 1) / s->stride + 1;
}

static double flops_of(const grouped_shape *s) {
  return 2.0 * out_side(s, s->in_h) * out_side(s, s->in_w) * s->out_c * (s->in_c / s->groups) * s->kernel * s->kernel;
}

static wk_layer layer_of(const grouped_shape *s, wk_direction direction) {
  return (wk_layer){.name = s->net,
                    .op = WK_OP_CONV,
                    .in = {s->in_h, s->in_w, s->in_c},
                    .out = {out_side(s, s->in_h), out_side(s, s->in_w), s->out_c},
                    .window = {.kernel_h = s->kernel,
                               .kernel_w = s->kernel,
                               .stride_h = s->stride,
                               .stride_w = s->stride,
                               .dilation_h = s->dilation,
                               .dilation_w = s->dilation,
                               .pad_top = s->pad,
                               .pad_bottom = s->pad,
                               .pad_left = s->pad,
                               .pad_right = s->pad},
                    .groups = s->groups,
                    .act = direction == WK_FORWARD ? WK_ACT_RELU : WK_ACT_NONE};
}

static onednn_conv *other_of(const grouped_shape *s, int photos, wk_direction direction) {
  static const onednn_kind kind[] = {
      [WK_FORWARD] = ONEDNN_FORWARD, [WK_BACKWARD_DATA] = ONEDNN_DATA, [WK_BACKWARD_WEIGHTS] = ONEDNN_WEIGHTS};
  const onednn_shape shape = {.batch = photos,
                              .in_h = s->in_h,
                              .in_w = s->in_w,
                              .in_c = s->in_c,
                              .out_h = out_side(s, s->in_h),
                              .out_w = out_side(s, s->in_w),
                              .out_c = s->out_c,
                              .groups = s->groups,
                              .kernel_h = s->kernel,
                              .kernel_w = s->kernel,
                              .stride_h = s->stride,
                              .stride_w = s->stride,
                              .dilation_h = s->dilation,
                              .dilation_w = s->dilation,
                              .pad_top = s->pad,
                              .pad_bottom = s->pad,
                              .pad_left = s->pad,
                              .pad_right = s->pad};
  return onednn_conv_create(&shape, kind[direction]);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_value);
  return x[n / 2];
}

typedef struct result {
  const char *kernel;
  double own, other, ratio; /* medians: seconds of a call; of the ratios of the rounds */
} result;

/* Both in turns. */
static result race(const wk_kernel *kernel, const wk_call *call, onednn_conv *other, int rounds) {
  double each[2][MAX_ROUNDS], ratio[MAX_ROUNDS];
  int times[2] = {0, 0};
  for (int r = -1; r < rounds; r++) { /* the first says how many calls a round is */
    for (int side = 0; side < 2; side++) {
      int done = 0;
      const double start = now();
      double stop;
      do {
        if (side)
          onednn_conv_run(other);
        else
          wk_kernel_run(kernel, call, NULL);
        done++;
        stop = now();
      } while (r < 0 ? stop - start < SECONDS : done < times[side]);
      times[side] = r < 0 ? done : times[side];
      if (r >= 0)
        each[side][r] = (stop - start) / done;
    }
    if (r >= 0)
      ratio[r] = each[1][r] / each[0][r];
  }
  return (result){kernel->name, median(each[0], rounds), median(each[1], rounds), median(ratio, rounds)};
}

static result measure(const grouped_shape *s, int photos, wk_direction direction, int rounds) {
  const wk_layer l = layer_of(s, direction);
  const wk_isa isa = wk_cpu_isa();
  const size_t in = (size_t)wk_shape_count(l.in) * (size_t)photos, out = (size_t)wk_shape_count(l.out) * (size_t)photos,
               weights = (size_t)s->out_c * (size_t)(s->in_c / s->groups * s->kernel * s->kernel);
  float *w = numbers(weights), *bias = numbers((size_t)s->out_c), *x = numbers(in), *y = numbers(out);
  wk_arena packing = wk_arena_large();
  const wk_prepare p = {.weight = w, .bias = bias, .threads = 1, .isa = isa, .batch = photos, .packing = &packing};
  wk_packed packed = {0};
  wk_error err;
  const wk_kernel *kernel = wk_kernel_for(&l, direction, isa);
  if (kernel->prepare(&packed, &l, &p, &err) != WK_OK) {
    fprintf(stderr, "bench_grouped: %s\n", err.message);
    exit(2);
  }
  float *grad = memory(packed.grad_floats * sizeof *grad);
  void *scratch = memory(packed.scratch_bytes);
  const wk_call call = {.layer = &l,
                        .packed = packed.data,
                        .scratch = scratch,
                        .count = photos,
                        .threads = 1,
                        .isa = isa,
                        .in = (const float *const[]){x},
                        .inputs = 1,
                        .in_shape = &l.in,
                        .out = direction == WK_FORWARD ? y : NULL,
                        .dy = y,
                        .x = x,
                        .dx = direction == WK_BACKWARD_DATA ? x : NULL,
                        .grad = {grad}};
  onednn_conv *other = other_of(s, photos, direction);
  const result r = race(kernel, &call, other, rounds);
  onednn_conv_free(other);
  if (kernel->release)
    kernel->release(packed.data);
  wk_arena_free(&packing);
  void *const all[] = {w, bias, x, y, grad, scratch};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    wk_free(all[i]);
  return r;
}

static const char *const class_names[] = {
    [SHAPE_GROUPS] = "groups", [SHAPE_DILATED] = "dilated", [SHAPE_DEPTHWISE] = "depthwise"};

static const char *const direction_names[DIRECTIONS] = {"forward", "data", "weights"};

/* How many of directions first..last are below `least`. */
static int one(const grouped_shape *s, wk_direction first, wk_direction last, int rounds, double least, bool csv) {
  const double flops = flops_of(s);
  const int photos = flops * PHOTOS < FLOPS ? PHOTOS : flops * 2 < FLOPS ? 2 : 1;
  int below = 0;
  if (!csv)
    printf("%-28s %3d %5d-%-5d /%-4d %dx%d s%d d%-2d", s->net, s->in_h, s->in_c, s->out_c, s->groups, s->kernel,
           s->kernel, s->stride, s->dilation);
  for (wk_direction d = first; d <= last; d++) {
    const result r = measure(s, photos, d, rounds);
    const double own = flops * photos / r.own * 1e-9, other = flops * photos / r.other * 1e-9;
    if (csv)
      printf("%s,%s,%d,%d,%d,%d,%d,%d,%d,%d,%s,%s,%.1f,%.1f,%.3f\n", class_names[s->kind], s->net, s->in_h, s->in_c,
             s->out_c, s->groups, s->kernel, s->stride, s->dilation, photos, direction_names[d], r.kernel, own, other,
             r.ratio);
    else
      printf("  %6.1f %6.1f %5.2fx%s", own, other, r.ratio, r.ratio < least ? "!" : " ");
    below += r.ratio < least;
  }
  if (!csv)
    printf("\n");
  fflush(stdout);
  return below;
}

/* -1: none. */
static int direction_of(const char *name) {
  for (int d = 0; d < DIRECTIONS; d++)
    if (!strcmp(name, direction_names[d]))
      return d;
  return -1;
}

int main(int argc, char **argv) {
  double least = 0.9;
  int rounds = 9, below = 0, all = 0, stride = 0;
  wk_direction first = WK_FORWARD, last = WK_BACKWARD_WEIGHTS;
  bool csv = false;
  const char *kind = NULL, *only = NULL;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--least") && i + 1 < argc)
      least = atof(argv[++i]);
    else if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
      rounds = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--stride") && i + 1 < argc)
      stride = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--csv"))
      csv = true;
    else if (direction_of(argv[i]) >= 0)
      first = last = (wk_direction)direction_of(argv[i]);
    else if (!strcmp(argv[i], "groups") || !strcmp(argv[i], "dilated") || !strcmp(argv[i], "depthwise") ||
             !strcmp(argv[i], "others"))
      kind = argv[i];
    else
      only = argv[i];
  }
  if (rounds < 1 || rounds > MAX_ROUNDS || (only && only[0] == '-')) {
    fprintf(stderr,
            "usage: bench_grouped [groups|dilated|depthwise|others] [forward|data|weights] [--stride N] [--least R] "
            "[--rounds 1..%d] [--csv] [part of a network's name]\n",
            MAX_ROUNDS);
    return 2;
  }
  omp_set_num_threads(1); /* inside oneDNN */
  if (csv)
    printf("class,network,side,in,out,groups,kernel,stride,dilation,photos,direction,own kernel,own GFLOP/s,oneDNN "
           "GFLOP/s,ratio\n");
  else
    printf("%s, one thread; GFLOP/s of whisker and oneDNN, and the ratio\n%-65s  %-22s  %-22s  %s\n",
           wk_isa_name(wk_cpu_isa()), "first network, side, channels, groups", "forward", "to the input",
           "to the weights");
  const size_t count = sizeof grouped_shapes / sizeof *grouped_shapes,
               others = sizeof other_shapes / sizeof *other_shapes;
  for (size_t i = 0; i < count + others; i++) {
    const grouped_shape *s = i < count ? &grouped_shapes[i] : &other_shapes[i - count];
    const char *own = i < count ? class_names[s->kind] : "others";
    if ((only && !strstr(s->net, only)) || (stride && s->stride != stride) ||
        (kind ? strcmp(kind, own) != 0 : i < count && s->kind == SHAPE_DEPTHWISE))
      continue;
    below += one(s, first, last, rounds, least, csv);
    all += (int)(last - first) + 1;
  }
  if (!csv)
    printf("%d of %d below %.2fx\n", below, all, least);
  return below > 0;
}
