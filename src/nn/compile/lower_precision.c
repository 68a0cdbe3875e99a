/* lower_precision.c - which ops of a plan are computed in a lower precision: those whose kernels are faster so on
 * this kind of processor, by shape alone, and (int8) whose values' ranges are known. */
#include "nn/compile/plan.h"
#include "nn/kernels/bf16/microkernels_bf16.h"
#include "nn/ops/int8/conv_int8.h"

enum {
  LEAST_CHANNELS = 16, /* narrower, most of a register kernel is empty */
  MOST_TERMS = 130000  /* of a sum: 127 * 127 times as much fits 32 bits */
};

const char *wk_precision_name(wk_precision p) {
  static const char *const name[WK_PRECISION_COUNT] = {"float32", "int8", "bf16"};
  return (unsigned)p < WK_PRECISION_COUNT ? name[p] : "unknown";
}

bool wk_precision_gains(wk_precision p) {
  return p == WK_PRECISION_BF16 ? wk_cpu_has_bf16() : p == WK_PRECISION_INT8 && wk_cpu_isa() >= WK_ISA_AVX2;
}

static wk_status no_bf16(wk_error *err) {
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "this processor has no AVX512_BF16, which bf16 needs: use float32 or int8 (a model in bf16 has to be "
                 "trained again in one of them)");
}

wk_status wk_precision_check(wk_precision p, wk_error *err) {
  return p == WK_PRECISION_BF16 && !wk_cpu_has_bf16() ? no_bf16(err) : WK_OK;
}

wk_precision wk_kernel_precision(const wk_kernel *kernel) {
  if (kernel == &wk_kernel_mbconv_bf16 || kernel == &wk_kernel_conv_bf16)
    return WK_PRECISION_BF16;
  return kernel == &wk_kernel_mbconv_int8 || kernel == &wk_kernel_conv_int8 ? WK_PRECISION_INT8 : WK_PRECISION_FLOAT32;
}

/* [2][channels] of the values that an op named so makes; *range NULL: not known. */
static wk_status find_range(const float **range, const wk_tensors *ranges, const char *name, wk_shape shape,
                            wk_error *err) {
  const wk_tensor *t = wk_tensors_find(ranges, name);
  *range = NULL;
  if (!t)
    return WK_OK;
  if (t->dtype != WK_F32 || t->ndim != 2 || t->shape[0] != 2 || t->shape[1] != shape.channels)
    return WK_FAIL(err, WK_ERR_FORMAT, "the ranges of layer '%s' should be [2, %d] floats", name, shape.channels);
  *range = t->data;
  return WK_OK;
}

static bool finite_range(const float *range, int channels) {
  for (int c = 0; c < channels; c++)
    if (!(range[c] <= range[channels + c] && range[c] > -1e30f && range[channels + c] < 1e30f))
      return false;
  return true;
}

/* The ranges of what op s reads; NULL: not known. */
static wk_status input_range(const float **range, const wk_plan *plan, const wk_plan_op *s, const wk_tensors *ranges,
                             wk_error *err) {
  *range = NULL;
  for (int i = 0; i < plan->ops; i++)
    if (plan->op[i].out == s->in[0])
      return find_range(range, ranges, plan->op[i].layer.name, plan->value[s->in[0]].shape, err);
  return WK_OK; /* the photo itself */
}

static bool is_relu(wk_act act) { return act == WK_ACT_RELU || act == WK_ACT_RELU6; }

static wk_status lower_block(const wk_plan *plan, wk_plan_op *s, const wk_tensors *ranges, wk_error *err) {
  wk_plan_op *expand = s->sub_ops == 3 ? &s->sub_op[0] : NULL, *depthwise = &s->sub_op[s->sub_ops - 2],
             *project = &s->sub_op[s->sub_ops - 1];
  const wk_layer *d = &depthwise->layer;
  const float *in, *ring, *band;
  WK_RETURN_IF_ERROR(input_range(&in, plan, s, ranges, err));
  WK_RETURN_IF_ERROR(find_range(&band, ranges, d->name, d->out, err));
  ring = in;
  if (expand)
    WK_RETURN_IF_ERROR(find_range(&ring, ranges, expand->layer.name, expand->layer.out, err));
  const int kernel = d->window.kernel_h;
  if (!in || !ring || !band || (kernel != 3 && kernel != 5) || d->window.stride_h > 2 || !is_relu(d->act) ||
      (expand && !is_relu(expand->layer.act)))
    return WK_OK;
  for (int c = 0; c < d->in.channels; c++) /* zero must be zero as a byte, too */
    if (ring[c] < 0 || band[c] < 0)
      return WK_OK;
  s->kernel = &wk_kernel_mbconv_int8;
  if (expand) {
    expand->kernel = &wk_kernel_expand_int8;
    expand->range = (wk_op_range){in, ring};
  }
  depthwise->kernel = &wk_kernel_depthwise_int8;
  depthwise->range = (wk_op_range){ring, band};
  project->kernel = &wk_kernel_conv_int8;
  project->range = (wk_op_range){band, NULL};
  return WK_OK;
}

/* Everything but 3x3 of stride 1, where Winograd saves as much; and the first layer, whose input is the photo. */
static wk_status lower_product(const wk_plan *plan, wk_plan_op *s, const wk_tensors *ranges, wk_error *err) {
  const wk_layer *l = &s->layer;
  const float *in;
  WK_RETURN_IF_ERROR(input_range(&in, plan, s, ranges, err));
  const bool linear = l->op == WK_OP_LINEAR;
  const int64_t taps = linear ? (int64_t)l->in.height * l->in.width : (int64_t)l->window.kernel_h * l->window.kernel_w;
  if (!in || l->in.channels < LEAST_CHANNELS || l->out.channels < LEAST_CHANNELS || taps * l->in.channels > MOST_TERMS)
    return WK_OK;
  s->kernel = &wk_kernel_conv_int8;
  s->range.in = in;
  return WK_OK;
}

/* The same kinds of op as in int8, but whatever their activations: bfloat16 has a float's range. */
static void lower_bf16(wk_plan_op *s) {
  const wk_layer *l = &s->layer;
  if (s->kernel == &wk_kernel_mbconv) {
    s->kernel = &wk_kernel_mbconv_bf16;
    for (int k = 0; k < s->sub_ops; k++)
      if (s->sub_op[k].kernel == &wk_kernel_conv)
        s->sub_op[k].kernel = &wk_kernel_conv_bf16;
  } else if ((s->kernel == &wk_kernel_conv || s->kernel == &wk_kernel_linear) && s->in[0] != 0 &&
             l->in.channels >= LEAST_CHANNELS && l->out.channels >= LEAST_CHANNELS) {
    s->kernel = &wk_kernel_conv_bf16;
  }
}

wk_status wk_plan_lower_precision(wk_plan *plan, const wk_tensors *ranges, wk_error *err) {
  if (plan->precision == WK_PRECISION_BF16 && !wk_microkernels_bf16_for(plan->isa))
    return no_bf16(err);
  for (int i = 0; plan->precision == WK_PRECISION_BF16 && i < plan->ops; i++)
    lower_bf16(&plan->op[i]);
  if (plan->precision != WK_PRECISION_INT8)
    return WK_OK;
  for (size_t i = 0; i < wk_tensors_size(ranges); i++) {
    const wk_tensor *t = wk_tensors_at(ranges, i);
    if (t->dtype == WK_F32 && t->ndim == 2 && t->shape[0] == 2 && !finite_range(t->data, (int)t->shape[1]))
      return WK_FAIL(err, WK_ERR_FORMAT, "the ranges of layer '%s' are not numbers in order", t->name);
  }
  for (int i = 0; i < plan->ops; i++) {
    wk_plan_op *s = &plan->op[i];
    if (s->kernel == &wk_kernel_mbconv)
      WK_RETURN_IF_ERROR(lower_block(plan, s, ranges, err));
    else if (s->kernel == &wk_kernel_conv || s->kernel == &wk_kernel_linear)
      WK_RETURN_IF_ERROR(lower_product(plan, s, ranges, err));
  }
  return WK_OK;
}
