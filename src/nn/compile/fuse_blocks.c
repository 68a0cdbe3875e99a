/* fuse_blocks.c - which neighbouring ops become one: a pointwise convolution, a depthwise one and a pointwise one
 * (the inverted residual), or the last two alone. The numbers stay the same bits, so the choice may look at how many
 * threads and photos there are. */
#include "nn/compile/plan.h"

typedef struct uses {
  int *readers; /* [values] ops that read it, or an output of the plan */
  int *maker;   /* [values] the op that makes it; -1: none */
} uses;

/* Expanded pixels of a photo beyond which they had better not pass through memory on the way back. */
enum { BACK_BYTES = 600 << 10 };

static bool pointwise(const wk_plan_op *s) {
  const wk_window *w = &s->layer.window;
  return s->kernel == &wk_kernel_conv && w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
         s->layer.act <= WK_ACT_RELU6 && s->layer.in.height == s->layer.out.height &&
         s->layer.in.width == s->layer.out.width && !w->pad_top && !w->pad_left;
}

static bool depthwise(const wk_plan_op *s) {
  const wk_window *w = &s->layer.window;
  return s->kernel == &wk_kernel_depthwise && w->kernel_h == w->kernel_w && w->dilation_h == 1 && w->dilation_w == 1 &&
         s->layer.act <= WK_ACT_RELU6;
}

/* The op that makes what `s` reads, where nobody else does; -1: none. */
static int before(const wk_plan *plan, const uses *u, int s) {
  const int value = plan->op[s].in[0];
  return u->readers[value] == 1 ? u->maker[value] : -1;
}

/* One thread saves the way of the expanded pixels through the cache. Threads that share a photo expand the rows between
 * them once each, so then the photo must be too large for their caches. In a lower precision a block rounds otherwise
 * than its layers would, so it must not depend on threads. */
static bool pays(const wk_plan *plan, const wk_layer *d) {
  const int64_t expanded = wk_shape_count(d->in) * (int64_t)sizeof(float);
  return plan->precision != WK_PRECISION_FLOAT32 || plan->threads <= plan->batch ||
         expanded >= ((int64_t)1 << 19) * plan->threads;
}

/* On the way back what a block saves in memory must outweigh that it computes most of itself twice. */
static bool pays_back(const wk_layer *d) {
  return wk_shape_count(d->in) * (int64_t)sizeof(float) >= BACK_BYTES && d->window.kernel_h >= d->window.stride_h;
}

/* Steps first..last, which has the residual and stays where it is. */
static wk_status merge(wk_plan *plan, const int *op, int count, wk_error *err) {
  wk_plan_op *last = &plan->op[op[count - 1]], whole = *last;
  whole.sub_op = wk_calloc((size_t)count, sizeof *whole.sub_op);
  if (!whole.sub_op)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for planning a network");
  whole.sub_ops = count;
  for (int i = 0; i < count; i++)
    whole.sub_op[i] = plan->op[op[i]];
  whole.in = whole.sub_op[0].in;
  whole.in_shape = whole.sub_op[0].in_shape;
  whole.sub_op[0].in = NULL;
  whole.sub_op[0].in_shape = NULL;
  whole.layer.in = whole.sub_op[0].layer.in;
  whole.kernel = &wk_kernel_mbconv;
  *last = whole;
  for (int i = 0; i + 1 < count; i++)
    plan->op[op[i]] = (wk_plan_op){0}; /* taken out at the end */
  return WK_OK;
}

wk_status wk_plan_fuse_blocks(wk_plan *plan, bool back, wk_error *err) {
  wk_status st = WK_OK;
  uses u = {wk_calloc((size_t)plan->values, sizeof *u.readers), wk_alloc_array((size_t)plan->values, sizeof *u.maker)};
  WK_FAIL_IF(!u.readers || !u.maker, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int v = 0; v < plan->values; v++)
    u.maker[v] = -1;
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    for (int k = 0; k < s->inputs; k++)
      u.readers[s->in[k]]++;
    if (s->residual >= 0)
      u.readers[s->residual]++;
    u.maker[s->out] = i;
  }
  for (int i = 0; i < plan->outputs; i++)
    u.readers[plan->output[i]]++;
  for (int i = 0; i < plan->ops; i++) {
    if (!plan->op[i].kernel || !pointwise(&plan->op[i]))
      continue;
    const int d = before(plan, &u, i);
    if (d < 0 || !depthwise(&plan->op[d]))
      continue;
    const wk_layer *l = &plan->op[d].layer;
    if (back ? !pays_back(l) : !pays(plan, l))
      continue;
    const int e = before(plan, &u, d);
    const bool expands = e >= 0 && pointwise(&plan->op[e]) && plan->op[e].residual < 0;
    const int op[] = {e, d, i};
    WK_TRY(merge(plan, op + !expands, 3 - !expands, err));
  }
  int kept = 0;
  for (int i = 0; i < plan->ops; i++)
    if (plan->op[i].in)
      plan->op[kept++] = plan->op[i];
  plan->ops = kept;
done:
  wk_free(u.readers);
  wk_free(u.maker);
  return st;
}
