/* backward.c - see backward.h. Each gradient takes that of a layer's output, dy, and writes or adds that of an input,
 * dx. */
#include "nn/run/backward.h"

#include <string.h>

#include "base/chunk.h"
#include "nn/kernels/f32/elementwise_grad.h"
#include "nn/kernels/f32/layer_norm.h"

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

/* Elementwise work is cut into pieces of this many values. */
enum { PIECE = 1 << 14 };

static size_t piece(size_t n, size_t from) { return n - from < PIECE ? n - from : PIECE; }

static void (*const scaled[])(float *, const float *, float, size_t, bool) = WK_ISA_TABLE(wk_scaled);

/* An instruction that threads share. */
typedef struct work {
  const wk_instr *in;
  const wk_tape_exec *s;
} work;

static wk_status share(const wk_instr *in, const wk_tape_exec *s, wk_thread_team_fn part) {
  work w = {in, s};
  wk_thread_team_run(s->run.team, s->tape->plan->threads, part, &w);
  return WK_OK;
}

wk_status wk_run_forward(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  wk_plan_exec_op(&s->run, in->op, 0, s->count);
  return WK_OK;
}

static void move(const wk_instr *in, const wk_tape_exec *s, const float *from, wk_chunk chunk) {
  const wk_plan *plan = s->tape->plan;
  float *to = wk_tape_exec_value(s, in->dx);
  size_t n = wk_tape_exec_count(s, in->dx);
  long pieces = (long)((n + PIECE - 1) / PIECE), end = wk_chunk_end(pieces, 1, chunk);
  for (long i = wk_chunk_begin(pieces, 1, chunk); i < end; i++) {
    size_t at = (size_t)i * PIECE;
    if (in->accumulate)
      scaled[plan->isa](to + at, from + at, 1.0f, piece(n, at), true);
    else
      memcpy(to + at, from + at, piece(n, at) * sizeof *to);
  }
}

static void output_grad_part(void *user, wk_chunk chunk) {
  const work *w = user;
  move(w->in, w->s, w->s->output_grad[w->in->index], chunk);
}

wk_status wk_run_output_grad(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, output_grad_part);
}

static void move_part(void *user, wk_chunk chunk) {
  const work *w = user;
  move(w->in, w->s, wk_tape_exec_value(w->s, w->in->dy), chunk);
}

wk_status wk_run_move(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, move_part);
}

static void act_part(void *user, wk_chunk chunk) {
  static void (*const rows[])(float *, const float *, const float *, const float *, size_t, wk_act, bool) =
      WK_ISA_TABLE(wk_act_grad);
  const wk_instr *in = ((work *)user)->in;
  const wk_tape_exec *s = ((work *)user)->s;
  const wk_plan *plan = s->tape->plan;
  const float *x = wk_tape_exec_value(s, in->x), *y = wk_tape_exec_value(s, in->y), *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  wk_act act = wk_tape_exec_op(in, s)->layer.act;
  size_t n = wk_tape_exec_count(s, in->dx);
  long pieces = (long)((n + PIECE - 1) / PIECE), end = wk_chunk_end(pieces, 1, chunk);
  for (long i = wk_chunk_begin(pieces, 1, chunk); i < end; i++) {
    size_t at = (size_t)i * PIECE;
    rows[plan->isa](dx + at, dy + at, x ? x + at : NULL, y ? y + at : NULL, piece(n, at), act, in->accumulate);
  }
}

wk_status wk_run_act_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, act_part);
}

wk_call wk_instr_call(const wk_instr *in, const wk_tape_exec *s) {
  const wk_plan *plan = s->tape->plan;
  return (wk_call){.layer = &wk_tape_exec_op(in, s)->layer,
                   .packed = in->packed.data,
                   .scratch = s->run.arena + in->scratch,
                   .count = s->count,
                   .threads = plan->threads,
                   .isa = plan->isa,
                   .dy = wk_tape_exec_value(s, in->dy),
                   .x = wk_tape_exec_value(s, in->x),
                   .dx = wk_tape_exec_value(s, in->dx),
                   .accumulate = in->accumulate,
                   .add = wk_tape_exec_value(s, in->f),
                   .mask = wk_tape_exec_value(s, in->y),
                   .mask_act = in->mask_act};
}

wk_status wk_run_data_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_call call = wk_instr_call(in, s);
  wk_kernel_run(in->data, &call, s->run.team);
  return WK_OK;
}

static void (*const affine[])(float *, const float *, const float *, size_t, int, bool) = WK_ISA_TABLE(wk_affine_grad);

static void affine_part(void *user, wk_chunk chunk) {
  const wk_instr *in = ((work *)user)->in;
  const wk_tape_exec *s = ((work *)user)->s;
  const wk_plan *plan = s->tape->plan;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  const float *scale = op->packed.data, *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  const wk_layer *l = &op->layer;
  size_t row = (size_t)l->in.width * (size_t)l->in.channels;
  long rows = (long)l->in.height * s->count;
  const long end = wk_chunk_end(rows, 1, chunk);
  for (long i = wk_chunk_begin(rows, 1, chunk); i < end; i++)
    affine[plan->isa](dx + row * (size_t)i, dy + row * (size_t)i, scale, (size_t)l->in.width, l->in.channels,
                      in->accumulate);
}

wk_status wk_run_affine_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, affine_part);
}

static void layer_norm_part(void *user, wk_chunk chunk) {
  static void (*const norm[])(float *, const float *, const float *, const float *, size_t, int, float, bool) =
      WK_ISA_TABLE(wk_layer_norm_grad);
  const wk_instr *in = ((work *)user)->in;
  const wk_tape_exec *s = ((work *)user)->s;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  const wk_layer *l = &op->layer;
  const size_t channels = (size_t)l->in.channels;
  const long pixels = (long)(values(l->in) / channels) * s->count;
  const size_t begin = (size_t)wk_chunk_begin(pixels, 1, chunk), end = (size_t)wk_chunk_end(pixels, 1, chunk),
               at = channels * begin;
  norm[s->tape->plan->isa](wk_tape_exec_value(s, in->dx) + at, wk_tape_exec_value(s, in->dy) + at,
                           wk_tape_exec_value(s, in->x) + at, op->packed.data, end - begin, l->in.channels, l->eps,
                           in->accumulate);
}

wk_status wk_run_layer_norm_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, layer_norm_part);
}

static void scale_part(void *user, wk_chunk chunk) {
  const wk_instr *in = ((work *)user)->in;
  const wk_tape_exec *s = ((work *)user)->s;
  const wk_plan *plan = s->tape->plan;
  const wk_layer *l = &wk_tape_exec_op(in, s)->layer;
  const float *factor = wk_tape_exec_value(s, in->f), *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  size_t channels = (size_t)l->in.channels, row = (size_t)l->in.width * channels;
  long rows = (long)l->in.height * s->count;
  const long end = wk_chunk_end(rows, 1, chunk);
  for (long i = wk_chunk_begin(rows, 1, chunk); i < end; i++)
    affine[plan->isa](dx + row * (size_t)i, dy + row * (size_t)i, factor + channels * (size_t)(i / l->in.height),
                      (size_t)l->in.width, l->in.channels, in->accumulate);
}

wk_status wk_run_scale_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, scale_part);
}

wk_status wk_run_factor_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const sums[])(double *, const float *, const float *, const float *, size_t, int) =
      WK_ISA_TABLE(wk_channel_sums);
  const wk_layer *l = &wk_tape_exec_op(in, s)->layer;
  size_t channels = (size_t)l->in.channels, each = values(l->in);
  const float *x = wk_tape_exec_value(s, in->x), *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  double *sum = wk_alloc_array(channels, sizeof *sum);
  if (!sum)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  for (size_t i = 0; i < (size_t)s->count; i++) {
    sums[s->tape->plan->isa](sum, dy + each * i, x + each * i, NULL, each / channels, l->in.channels);
    for (size_t c = 0; c < channels; c++)
      dx[channels * i + c] = (in->accumulate ? dx[channels * i + c] : 0.0f) + (float)sum[c];
  }
  wk_free(sum);
  return WK_OK;
}

wk_status wk_run_concat_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  size_t from = 0, all = (size_t)op->layer.out.channels, part = (size_t)op->in_shape[in->index].channels;
  for (int k = 0; k < in->index; k++)
    from += (size_t)op->in_shape[k].channels;
  const float *dy = wk_tape_exec_value(s, in->dy) + from;
  float *dx = wk_tape_exec_value(s, in->dx);
  size_t pixels = wk_tape_exec_count(s, in->dx) / part;
  for (size_t p = 0; p < pixels; p++)
    for (size_t c = 0; c < part; c++)
      dx[p * part + c] = (in->accumulate ? dx[p * part + c] : 0.0f) + dy[p * all + c];
  return WK_OK;
}

wk_status wk_run_flatten_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  wk_shape shape = wk_tape_exec_op(in, s)->layer.in;
  size_t channels = (size_t)shape.channels, pixels = values(shape) / channels;
  const float *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  for (size_t i = 0; i < (size_t)s->count; i++, dy += channels * pixels, dx += channels * pixels)
    for (size_t p = 0; p < pixels; p++)
      for (size_t c = 0; c < channels; c++)
        dx[p * channels + c] = (in->accumulate ? dx[p * channels + c] : 0.0f) + dy[c * pixels + p];
  return WK_OK;
}

static void max_pool_part(void *user, wk_chunk chunk) {
  static void (*const max[])(float *, const float *, const float *, const float *, const wk_pool *, int, int, bool,
                             wk_act) = WK_ISA_TABLE(wk_max_pool_grad);
  const wk_instr *in = ((work *)user)->in;
  const wk_tape_exec *s = ((work *)user)->s;
  const wk_plan *plan = s->tape->plan;
  const wk_layer *l = &wk_tape_exec_op(in, s)->layer;
  const wk_pool p = {l->in, l->out, l->window};
  const size_t each = values(l->in), out = values(l->out);
  const float *x = wk_tape_exec_value(s, in->x), *y = wk_tape_exec_value(s, in->y), *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  const int height = l->in.height, rows = height * s->count, op = l->window.stride_h;
  const int end = (int)wk_chunk_end(rows, op, chunk);
  for (int row = (int)wk_chunk_begin(rows, op, chunk); row < end;) {
    const int first = row % height, left = end - row, last = first + left < height ? first + left : height;
    const size_t i = (size_t)(row / height);
    max[plan->isa](dx + each * i, dy + out * i, x + each * i, y + out * i, &p, first, last, in->accumulate,
                   in->mask_act);
    row += last - first;
  }
}

wk_status wk_run_max_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  return share(in, s, max_pool_part);
}

wk_status wk_run_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const avg[])(float *, const float *, const wk_pool *) = WK_ISA_TABLE(wk_avg_pool_grad);
  static void (*const adaptive[])(float *, const float *, const wk_pool *) = WK_ISA_TABLE(wk_adaptive_avg_pool_grad);
  (void)err;
  const wk_plan *plan = s->tape->plan;
  const wk_layer *l = &wk_tape_exec_op(in, s)->layer;
  const wk_pool p = {l->in, l->out, l->window};
  size_t each = values(l->in), out = values(l->out);
  const float *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  if (!in->accumulate)
    memset(dx, 0, each * (size_t)s->count * sizeof *dx);
  for (size_t i = 0; i < (size_t)s->count; i++)
    (l->op == WK_OP_AVG_POOL ? avg : adaptive)[plan->isa](dx + each * i, dy + out * i, &p);
  return WK_OK;
}

wk_status wk_run_softmax_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const rows[])(float *, const float *, const float *, int, bool) = WK_ISA_TABLE(wk_softmax_grad);
  (void)err;
  int channels = wk_tape_exec_op(in, s)->layer.in.channels;
  size_t n = wk_tape_exec_count(s, in->dx);
  const float *y = wk_tape_exec_value(s, in->y), *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  for (size_t i = 0; i < n; i += (size_t)channels)
    rows[s->tape->plan->isa](dx + i, dy + i, y + i, channels, in->accumulate);
  return WK_OK;
}
