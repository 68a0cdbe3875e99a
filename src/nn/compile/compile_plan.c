/* compile_plan.c - a network made ready to run at one input size: shapes, fused ops, packed weights, places in
 * memory. Everything a run needs to know is decided here, so that wk_exec_run only walks a list. */
#include <math.h>
#include <string.h>

#include "nn/compile/plan.h"
#include "nn/kernels/microkernels.h"

void wk_plan_options_init(wk_plan_options *o) { *o = (wk_plan_options){.batch = 8, .threads = 1}; }

static wk_status check_options(const wk_graph *g, const wk_plan_options *o, wk_error *err) {
  if (!g->finished)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the network is not finished: call wk_graph_finish first");
  if (o->batch < 1 || o->batch > (1 << 16))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch of %d photos is not possible: 1 to %d", o->batch, 1 << 16);
  if (o->threads < 1 || o->threads > 1024)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d threads a layer are not possible: 1 to 1024", o->threads);
  if ((unsigned)o->precision >= WK_PRECISION_COUNT)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "precision %d is not known", (int)o->precision);
  if (o->precision == WK_PRECISION_INT8 && !o->ranges)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s needs the ranges of the network's values",
                   wk_precision_name(o->precision));
  if (o->output ? o->outputs < 1 : g->features < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no output was asked for, and the network marks none");
  const wk_pixels *p = o->pixels;
  if (p && g->node[g->input].shape.channels != 3)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "photos as bytes have 3 channels; this network wants %d",
                   g->node[g->input].shape.channels);
  for (int c = 0; p && c < 3; c++)
    if (!isfinite(p->mean[c]) || !isfinite(p->std[c]) || !(p->std[c] > 0))
      return WK_FAIL(err, WK_ERR_ARGUMENT,
                     "bytes of channel %d are to be normalised with mean %g and deviation %g; both must be finite, the "
                     "deviation above 0",
                     c, (double)p->mean[c], (double)p->std[c]);
  for (int i = 0; o->output && i < o->outputs; i++)
    if (o->output[i] < 0 || o->output[i] >= g->size)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "output %d is node %d, which is not there: the network has %d", i,
                     o->output[i], g->size);
  return WK_OK;
}

static wk_status create(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                        wk_isa isa, wk_error *err) {
  wk_status st = WK_OK;
  wk_shape *shape = NULL;
  wk_plan *plan = wk_calloc(1, sizeof *plan);
  WK_FAIL_IF(!plan, err, WK_ERR_MEMORY, "out of memory for planning a network");
  WK_TRY(check_options(g, o, err));
  const wk_node *output = o->output ? o->output : &g->features;
  plan->graph = g;
  plan->isa = isa;
  plan->no_winograd = o->no_winograd;
  plan->bytes = o->pixels != NULL;
  if (o->pixels)
    plan->pixels = *o->pixels;
  plan->no_fusion = o->no_fusion;
  plan->precision = o->precision;
  plan->batch = o->batch;
  plan->threads = o->threads;
  plan->packing = wk_arena_large();
  plan->outputs = o->output ? o->outputs : 1;
  plan->output = wk_alloc_array((size_t)plan->outputs, sizeof *plan->output);
  shape = wk_calloc((size_t)g->size, sizeof *shape);
  WK_FAIL_IF(!plan->output || !shape, err, WK_ERR_MEMORY, "out of memory for planning a network");
  wk_node last = 0; /* a layer behind the outputs need not fit this input size */
  for (int i = 0; i < plan->outputs; i++)
    last = output[i] > last ? output[i] : last;
  WK_TRY(wk_graph_infer(shape, g, last, o->height, o->width, err));
  WK_TRY(wk_plan_fuse(plan, output, shape, &(wk_fuse_options){.from = g->input}, NULL, err));
  if (!plan->no_fusion)
    WK_TRY(wk_plan_fuse_blocks(plan, false, err));
  WK_TRY(wk_plan_lower_precision(plan, o->ranges, err));
  WK_TRY(wk_plan_pack_weights(plan, weights, NULL, NULL, err));
  wk_plan_lifetimes(plan);
  wk_plan_micro_batch(plan);
  WK_TRY(wk_plan_layout(plan, NULL, 0, err));
  *out = plan;
  plan = NULL;
done:
  wk_free(shape);
  wk_plan_free(plan);
  return st;
}

wk_status wk_plan_create_isa(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                             wk_isa isa, wk_error *err) {
  return create(out, g, weights, o, isa, err);
}

wk_status wk_plan_create(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                         wk_error *err) {
  if (!o)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a plan needs options: they have the size of the input");
  WK_RETURN_IF_ERROR(wk_precision_check(o->precision, err));
  return create(out, g, weights, o, wk_cpu_isa(), err);
}

static void free_op(wk_plan_op *s) {
  if (s->packed.data && s->kernel->release)
    s->kernel->release(s->packed.data);
  wk_free(s->in);
  wk_free(s->in_shape);
}

void wk_plan_free(wk_plan *plan) {
  if (!plan)
    return;
  for (int i = 0; i < plan->ops; i++) {
    wk_plan_op *s = &plan->op[i];
    for (int k = 0; k < s->sub_ops; k++)
      free_op(&s->sub_op[k]);
    wk_free(s->sub_op);
    free_op(s);
  }
  wk_arena_free(&plan->packing);
  wk_free(plan->op);
  wk_free(plan->value);
  wk_free(plan->output);
  wk_free(plan);
}

wk_shape wk_plan_output_shape(const wk_plan *plan, int output) { return plan->value[plan->output[output]].shape; }
size_t wk_plan_weight_bytes(const wk_plan *plan) { return plan->weight_bytes; }
size_t wk_plan_exec_bytes(const wk_plan *plan) { return plan->arena_bytes; }

int wk_plan_ops(const wk_plan *plan) { return plan->ops; }

static int64_t op_macs(const wk_plan *plan, const wk_plan_op *s) {
  const wk_node_def *n = &plan->graph->node[s->head];
  return wk_node_macs(n, s->layer.in, s->layer.out);
}

void wk_plan_op_at(wk_op_info *out, const wk_plan *plan, int op) {
  const wk_plan_op *s = &plan->op[op];
  size_t bytes = wk_plan_op_bytes(s);
  if (s->residual >= 0)
    bytes += (size_t)wk_shape_count(plan->value[s->residual].shape) * sizeof(float);
  *out = (wk_op_info){.name = s->layer.name,
                      .kernel = s->kernel->name,
                      .in = s->layer.in,
                      .out = s->layer.out,
                      .layers = s->sub_ops ? s->sub_ops : 1,
                      .bytes = bytes,
                      .weight_bytes = s->packed.weight_bytes,
                      .precision = wk_kernel_precision(s->kernel)};
  for (int k = 0; k < s->sub_ops; k++) {
    out->macs += op_macs(plan, &s->sub_op[k]);
    out->weight_bytes += s->sub_op[k].packed.weight_bytes;
  }
  if (!s->sub_ops)
    out->macs = op_macs(plan, s);
}

double wk_peak_flops(long rounds) {
  double flops;
  volatile double sum = wk_microkernels_for(wk_cpu_isa())->peak(&flops, rounds);
  (void)sum;
  return flops;
}
