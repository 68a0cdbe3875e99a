/* bench_grad.c - where a gradient's time goes, and whisker's own gradient kernels beside oneDNN's. One thread, timed by
 * the processor time it got, so that other work on the machine disturbs less.
 *
 *   bench_grad profile NET [--input] [--norm-batch] [--photos 4]   one micro-batch of a training step (or
 * of a gradient to the input), instruction by instruction bench_grad layers NET [--photos 4] [part of a name]   each
 * distinct convolution: to its input, to its weights
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nn/ops/op_table.h"
#include "nn/run/backward.h"
#include "onednn_conv.h"
#include "whisker/zoo.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static wk_error err;

static void must(wk_status st) {
  if (st == WK_OK)
    return;
  fprintf(stderr, "bench_grad: %s\n", err.message);
  exit(1);
}

static void *memory(size_t bytes) {
  void *p = wk_alloc(bytes);
  if (!p)
    exit(1);
  return p;
}

static float *numbers(size_t n) {
  float *x = memory(n * sizeof *x);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)((uint32_t)i * 2654435761u >> 16) / 32768 - 1;
  return x;
}

/* Weights of a size that keeps activations in range. */
static float **parameters(const wk_graph *g) {
  float **param = memory(sizeof *param * (size_t)g->param_count);
  for (int i = 0; i < g->param_count; i++) {
    const wk_param_info *p = &g->param[i];
    size_t n = (size_t)wk_tensor_count(p->ndim, p->shape), fan = n / (size_t)p->shape[0];
    param[i] = numbers(n);
    for (size_t k = 0; k < n; k++)
      param[i][k] = p->ndim == 1 ? 1 : param[i][k] * 2 / (float)(fan > 16 ? fan / 16 : 1);
  }
  return param;
}

/* ---- a whole pass -------------------------------------------------------------------------------------- */

typedef struct tally {
  const char *kind, *kernel;
  double seconds, flops;
} tally;

static const char *kind_of(const wk_tape *p, const wk_instr *in, int i) {
  if (i < p->loss)
    return "forward";
  if (in->kind == WK_INSTR_MBCONV_BACK)
    return "way back";
  if (in->data)
    return "to the input";
  if (in->weights)
    return "to weights";
  return "other gradients";
}

static const char *kernel_of(const wk_tape *p, const wk_instr *in, int i) {
  if (in->op < 0)
    return "loss";
  if (i < p->loss)
    return p->plan->op[in->op].kernel ? p->plan->op[in->op].kernel->name : "?";
  if (in->data || in->weights)
    return in->data ? in->data->name : in->weights->name;
  if (in->kind == WK_INSTR_ACT_BACK)
    return "slope of an activation";
  if (in->kind == WK_INSTR_MOVE)
    return "copy or sum";
  return wk_op_name(p->plan->op[in->op].layer.op);
}

static double flops_of(const wk_layer *l) {
  double each = 2.0 * l->out.height * l->out.width * l->out.channels * l->in.channels / l->groups;
  return l->op == WK_OP_CONV     ? each * l->window.kernel_h * l->window.kernel_w
         : l->op == WK_OP_LINEAR ? each * l->in.height * l->in.width
                                 : 0;
}

/* Of a step in one direction. */
static double op_flops(const wk_plan_op *s) {
  double sum = s->sub_ops ? 0 : flops_of(&s->layer);
  for (int k = 0; k < s->sub_ops; k++)
    sum += flops_of(&s->sub_op[k].layer);
  return sum;
}

/* What the instructions of a trainer do, without its micro-batches. */
static void run_one(const wk_tape *p, const wk_instr *in, wk_tape_exec *s, float *grad) {
  static const wk_instr_fn functions[WK_INSTR_COUNT] = {WK_BACKWARD_FUNCTIONS};
  wk_call call;
  if (in->data || in->weights) {
    call = wk_instr_call(in, s);
    call.grad[0] = in->weights ? grad : NULL;
    for (int k = 0; in->kind == WK_INSTR_MBCONV_BACK && k < WK_MBCONV_OPS; k++)
      if (in->group[k] >= 0) {
        const wk_plan_op *part = wk_param_group_op(p, in->group[k]);
        call.grad[k] = grad;
        grad += wk_plan_op_weight_floats(p->plan, part) + (size_t)part->layer.out.channels;
      }
    wk_kernel_run(in->data ? in->data : in->weights, &call, NULL);
  } else if (functions[in->kind]) {
    must(functions[in->kind](in, s, &err));
  }
}

static int by_time(const void *a, const void *b) {
  double x = ((const tally *)a)->seconds, y = ((const tally *)b)->seconds;
  return x < y ? 1 : -1;
}

static void profile(const wk_arch *arch, bool input, int photos, bool each) {
  wk_graph *g;
  must(arch->build(&g, 1000, &err));
  float **param = parameters(g);
  bool *trainable = memory(sizeof *trainable * (size_t)g->param_count);
  for (int i = 0; i < g->param_count; i++)
    trainable[i] = !input;
  wk_node end = wk_graph_logits(g), begin = 0;
  wk_tape_options o = {.batch = photos,
                       .threads = 1,
                       .from = 0,
                       .seed = &end,
                       .seeds = 1,
                       .target = &begin,
                       .targets = input,
                       .trainable = input ? NULL : trainable,
                       .own_input = true,
                       .param = (wk_param_table)param,
                       .isa = wk_cpu_isa()};
  wk_tape *p;
  must(wk_tape_create(&p, g, NULL, &o, &err));
  wk_tape_exec s = {.tape = p, .count = photos};
  must(wk_plan_exec_open(&s.run, p->plan, "a benchmark", &err));
  memset(s.run.arena, 0, p->plan->arena_bytes);
  size_t most = 0;
  for (int i = 0; i < p->groups; i++) {
    const wk_plan_op *part = wk_param_group_op(p, i);
    most += wk_plan_op_weight_floats(p->plan, part) + (size_t)part->layer.out.channels;
  }
  for (int i = 0; i < p->instrs; i++)
    most = p->instr[i].packed.grad_floats > most ? p->instr[i].packed.grad_floats : most;
  float *grad = memory(most * sizeof *grad);
  const float *output_grad = numbers(wk_tape_exec_count(&s, p->plan->output[0]));
  s.output_grad = &output_grad;
  float *x = numbers(wk_tape_exec_count(&s, 0));
  memcpy(wk_tape_exec_value(&s, 0), x, wk_tape_exec_count(&s, 0) * sizeof *x);
  double *best = memory(sizeof *best * (size_t)p->instrs);
  for (int round = 0; round < 4; round++) {
    memcpy(wk_tape_exec_value(&s, 0), x, wk_tape_exec_count(&s, 0) * sizeof *x);
    for (int i = 0; i < p->instrs; i++) {
      double start = now();
      run_one(p, &p->instr[i], &s, grad);
      double t = now() - start;
      best[i] = round < 1 || t < best[i] ? t : best[i];
    }
  }
  tally *t = memory(sizeof *t * (size_t)p->instrs);
  int n = 0;
  double all = 0;
  for (int i = 0; i < p->instrs; i++) {
    const wk_instr *in = &p->instr[i];
    const wk_layer *l = in->op < 0 ? NULL : &p->plan->op[in->op].layer;
    const char *kind = kind_of(p, in, i), *kernel = kernel_of(p, in, i);
    double flops = (i < p->loss || in->data || in->weights) ? op_flops(&p->plan->op[in->op]) * photos : 0;
    if (in->kind == WK_INSTR_MBCONV_BACK && !input)
      flops *= 2;
    if (each)
      printf("%-24s %-24s %-32s %4dx%-4d %5d-%-5d %7.2f ms %7.1f GF/s\n", kind, kernel, l ? l->name : "",
             l ? l->out.height : 0, l ? l->window.kernel_h : 0, l ? l->in.channels : 0, l ? l->out.channels : 0,
             1e3 * best[i], 1e-9 * flops / best[i]);
    int k = 0;
    while (k < n && (strcmp(t[k].kind, kind) || strcmp(t[k].kernel, kernel)))
      k++;
    if (k == n)
      t[n++] = (tally){.kind = kind, .kernel = kernel};
    t[k].seconds += best[i];
    t[k].flops += flops;
    all += best[i];
  }
  qsort(t, (size_t)n, sizeof *t, by_time);
  printf("%s, %s, %d photos: %.2f ms a photo on one thread, %.0f MB\n", arch->name, input ? "to the input" : "training",
         photos, 1e3 * all / photos, (double)p->plan->arena_bytes / 1e6);
  for (int k = 0; k < n; k++)
    printf("  %-16s %-24s %8.2f ms a photo %5.1f%% %8.1f GFLOP/s\n", t[k].kind, t[k].kernel,
           1e3 * t[k].seconds / photos, 100 * t[k].seconds / all, 1e-9 * t[k].flops / t[k].seconds);
  wk_plan_exec_close(&s.run);
  wk_tape_free(p);
  wk_graph_free(g);
}

/* ---- layer by layer ------------------------------------------------------------------------------------ */

typedef struct job {
  wk_call data, weights;
  const wk_kernel *data_kernel, *weights_kernel;
  onednn_conv *other[2];
} job;

static void prepare(job *j, const wk_layer *l, const wk_prepare *p, int photos) {
  size_t in = (size_t)wk_shape_count(l->in) * (size_t)photos, out = (size_t)wk_shape_count(l->out) * (size_t)photos;
  wk_packed packed = {0};
  j->data_kernel = wk_kernel_for(l, WK_BACKWARD_DATA, p->isa);
  must(j->data_kernel->prepare(&packed, l, p, &err));
  j->data = (wk_call){.layer = l,
                      .packed = packed.data,
                      .dy = numbers(out),
                      .dx = numbers(in),
                      .scratch = memory(packed.scratch_bytes + 64),
                      .count = photos,
                      .threads = 1,
                      .isa = p->isa};
  packed = (wk_packed){0};
  j->weights_kernel = wk_kernel_for(l, WK_BACKWARD_WEIGHTS, p->isa);
  must(j->weights_kernel->prepare(&packed, l, p, &err));
  j->weights = (wk_call){.layer = l,
                         .packed = packed.data,
                         .x = numbers(in),
                         .dy = numbers(out),
                         .grad = {memory(packed.grad_floats * sizeof(float))},
                         .scratch = memory(packed.scratch_bytes + 64),
                         .count = photos,
                         .isa = p->isa};
  const wk_window *w = &l->window;
  const onednn_shape s = {.batch = photos,
                          .in_h = l->in.height,
                          .in_w = l->in.width,
                          .in_c = l->in.channels,
                          .out_h = l->out.height,
                          .out_w = l->out.width,
                          .out_c = l->out.channels,
                          .groups = l->groups,
                          .kernel_h = w->kernel_h,
                          .kernel_w = w->kernel_w,
                          .stride_h = w->stride_h,
                          .stride_w = w->stride_w,
                          .dilation_h = w->dilation_h,
                          .dilation_w = w->dilation_w,
                          .pad_top = w->pad_top,
                          .pad_left = w->pad_left,
                          .pad_bottom = w->pad_bottom,
                          .pad_right = w->pad_right};
  j->other[0] = onednn_conv_create(&s, ONEDNN_DATA);
  j->other[1] = onednn_conv_create(&s, ONEDNN_WEIGHTS);
}

static void end(job *j) {
  j->data_kernel->release((void *)j->data.packed);
  j->weights_kernel->release((void *)j->weights.packed);
  void *blocks[] = {(void *)j->data.dy,    j->data.dx,         j->data.scratch,   (void *)j->weights.x,
                    (void *)j->weights.dy, j->weights.grad[0], j->weights.scratch};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    wk_free(blocks[i]);
  for (int k = 0; k < 2; k++)
    onednn_conv_free(j->other[k]);
}

static void run_way(job *j, bool other, bool weights) {
  if (other)
    onednn_conv_run(j->other[weights]);
  else
    wk_kernel_run(weights ? j->weights_kernel : j->data_kernel, weights ? &j->weights : &j->data, NULL);
}

/* Best seconds of both ways of both gradients, in turns: [own, oneDNN] x [data, weights]. */
static void race(double best[2][2], job *j) {
  for (int round = 0; round < 5; round++)
    for (int k = 0; k < 4; k++) {
      int times = 0;
      double start = now(), stop;
      do {
        run_way(j, k / 2, k % 2);
        times++;
        stop = now();
      } while (stop - start < 0.01);
      double t = (stop - start) / times;
      if (round == 0 || t < best[k / 2][k % 2])
        best[k / 2][k % 2] = t;
    }
}

static bool same(const wk_layer *a, const wk_layer *b) {
  return a->op == b->op && !memcmp(&a->in, &b->in, sizeof a->in) && !memcmp(&a->out, &b->out, sizeof a->out) &&
         !memcmp(&a->window, &b->window, sizeof a->window) && a->groups == b->groups;
}

/* Also those inside steps of several layers. */
static int convolutions(const wk_layer **out, const wk_plan *plan) {
  int n = 0;
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    for (int k = 0; k < (s->sub_ops ? s->sub_ops : 1); k++) {
      const wk_layer *l = s->sub_ops ? &s->sub_op[k].layer : &s->layer;
      if (l->op == WK_OP_CONV)
        out[n++] = l;
    }
  }
  return n;
}

static void layers(const wk_arch *arch, int photos, const char *only) {
  wk_graph *g;
  omp_set_num_threads(1);
  must(arch->build(&g, 1000, &err));
  float **param = parameters(g);
  wk_node end_node = wk_graph_logits(g);
  wk_node begin = 0;
  wk_tape_options o = {.batch = 1,
                       .threads = 1,
                       .from = 0,
                       .seed = &end_node,
                       .seeds = 1,
                       .target = &begin,
                       .targets = 1,
                       .param = (wk_param_table)param,
                       .isa = wk_cpu_isa()};
  wk_tape *p;
  must(wk_tape_create(&p, g, NULL, &o, &err));
  printf("%s, %d photos, GFLOP/s of one thread\n%-44s %-24s %7s %7s %6s   %-24s %7s %7s %6s\n", arch->name, photos,
         "layer", "to the input", "own", "oneDNN", "ratio", "to weights", "own", "oneDNN", "ratio");
  const wk_layer **all = memory(sizeof *all * (size_t)wk_graph_size(g));
  const int count = convolutions(all, p->plan);
  for (int i = 0; i < count; i++) {
    const wk_layer *l = all[i];
    bool seen = only && !strstr(l->name, only);
    for (int k = 0; k < i && !seen; k++)
      seen = same(l, all[k]);
    if (seen)
      continue;
    wk_prepare prepare_with = {.weight = param[0], .threads = 1, .isa = o.isa, .batch = photos};
    size_t weights = (size_t)l->out.channels * (size_t)(l->in.channels / l->groups) *
                     (size_t)(l->window.kernel_h * l->window.kernel_w);
    float *weight = numbers(weights);
    prepare_with.weight = weight;
    job j;
    double t[2][2], flops = flops_of(l) * photos * 1e-9;
    prepare(&j, l, &prepare_with, photos);
    race(t, &j);
    char what[96];
    snprintf(what, sizeof what, "%s %dx%d s%d %d %d-%d", l->name, l->window.kernel_h, l->window.kernel_w,
             l->window.stride_h, l->in.height, l->in.channels, l->out.channels);
    printf("%-44.44s %-24s %7.1f %7.1f %5.2fx   %-24s %7.1f %7.1f %5.2fx\n", what, j.data_kernel->name, flops / t[0][0],
           flops / t[1][0], t[1][0] / t[0][0], j.weights_kernel->name, flops / t[0][1], flops / t[1][1],
           t[1][1] / t[0][1]);
    fflush(stdout);
    end(&j);
    wk_free(weight);
  }
  wk_free(all);
  wk_tape_free(p);
  wk_graph_free(g);
}

int main(int argc, char **argv) {
  bool input = false, each = false;
  int photos = 4;
  const char *only = NULL;
  const wk_arch *arch = argc > 2 ? wk_arch_find(argv[2]) : NULL;
  for (int i = 3; i < argc; i++) {
    if (!strcmp(argv[i], "--input"))
      input = true;
    else if (!strcmp(argv[i], "--each"))
      each = true;
    else if (!strcmp(argv[i], "--photos") && i + 1 < argc)
      photos = atoi(argv[++i]);
    else
      only = argv[i];
  }
  if (!arch || photos < 1) {
    fprintf(stderr, "usage: bench_grad profile|layers NET [--input] [--each] [--photos N] [part of a layer's name]\n");
    return 2;
  }
  if (!strcmp(argv[1], "profile"))
    profile(arch, input, photos, each);
  else
    layers(arch, photos, only);
  return 0;
}
