/* int8_weights.c - weights and biases made ready for 8 bits, before ranges are chosen; the network stays the same.
 *
 * Values between two convolutions share one step, however much their channels differ: a channel that is never large
 * has few of the 256 values. Each is multiplied until it uses more of them, in the first one's weights, and divided in
 * the second one's (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019; here
 * with what was seen on photos). Then each bias takes back what the rounding of weights adds on average. */
#include <math.h>
#include <string.h>

#include "export/export.h"

static const float most_factor = 64; /* of channels that were next to nothing on these photos */

typedef struct maker {
  wk_net *n;
  wk_net_channel *const *channel;
  float **weight, **bias; /* [layers] of convolutions: the net's own, where they may have been a file's */
} maker;

static wk_status own(float **out, const float **value, wk_net *n, size_t count, wk_error *err) {
  *out = wk_net_alloc(n, count, sizeof **out);
  if (!*out)
    return wk_export_no_memory(err);
  memcpy(*out, *value, count * sizeof **out);
  *value = *out;
  return WK_OK;
}

static wk_status own_all(maker *m, wk_error *err) {
  const size_t layers = (size_t)m->n->layers;
  m->weight = wk_net_alloc(m->n, layers, sizeof *m->weight);
  m->bias = wk_net_alloc(m->n, layers, sizeof *m->bias);
  if (!m->weight || !m->bias)
    return wk_export_no_memory(err);
  for (size_t i = 0; i < layers; i++) {
    wk_net_layer *l = &m->n->layer[i];
    if (l->op != WK_OP_CONV)
      continue;
    WK_RETURN_IF_ERROR(own(&m->weight[i], &l->weight, m->n, l->weights, err));
    WK_RETURN_IF_ERROR(own(&m->bias[i], &l->bias, m->n, (size_t)l->to.channels, err));
  }
  return WK_OK;
}

/* The input channel that weight `i` of a convolution is for. */
static size_t input_of(const wk_net_layer *l, size_t i) {
  const size_t taps = (size_t)l->window.kernel_h * (size_t)l->window.kernel_w, groups = (size_t)l->groups,
               inputs = (size_t)l->from.channels / groups, outputs = (size_t)l->to.channels / groups;
  return i / (inputs * taps) / outputs * inputs + i / taps % inputs;
}

static float largest(const float *value, size_t count) {
  float most = 0;
  for (size_t i = 0; i < count; i++)
    most = fmaxf(most, fabsf(value[i]));
  return most;
}

static float reach(const wk_net_channel *c) { return fmaxf(fabsf(c->range.low), fabsf(c->range.high)); }

/* The only layer that reads this convolution, where that is one too; 0: its channels stay as they are. */
static int reader_of(const wk_net *n, int layer) {
  if (n->layer[layer].op != WK_OP_CONV || n->layer[layer].users != 1)
    return 0;
  for (int i = layer + 1; i < n->layers; i++)
    if (n->layer[i].op == WK_OP_CONV && n->layer[i].in[0] == layer)
      return i;
  return 0;
}

/* How large each input channel's weights are, at most, beside the largest of the same output. */
static void weigh(float *out, const wk_net_layer *l) {
  const size_t outputs = (size_t)l->to.channels, each = l->weights / outputs;
  memset(out, 0, (size_t)l->from.channels * sizeof *out);
  for (size_t o = 0; o < outputs; o++) {
    const float *row = l->weight + o * each;
    const float most = largest(row, each);
    for (size_t i = 0; i < each && most > 0; i++) {
      float *w = &out[input_of(l, o * each + i)];
      *w = fmaxf(*w, fabsf(row[i]) / most);
    }
  }
}

/* Where the reader has a step for each channel, all channels become equally large. Else half as much, so that what is
 * won here is not lost in its weights. No channel gets beyond the largest, nor, by that, beyond ReLU6's end. */
static void choose_factors(wk_net_channel *channel, float *weight, const wk_net_layer *l, const wk_net_layer *reader) {
  const int channels = l->to.channels;
  float most = 0, scale = 0;
  for (int c = 0; c < channels; c++)
    most = fmaxf(most, reach(&channel[c]));
  weigh(weight, reader);
  for (int c = 0; c < channels; c++)
    scale = fmaxf(scale, sqrtf(weight[c] * reach(&channel[c])));
  for (int c = 0; c < channels && most > 0; c++) {
    const float limit = fminf(most / fmaxf(reach(&channel[c]), 1e-20f), most_factor);
    const float want = wk_net_is_depthwise(reader) || scale <= 0 || reach(&channel[c]) <= 0
                           ? limit
                           : sqrtf(weight[c] / reach(&channel[c])) * most / scale;
    channel[c].factor = fmaxf(fminf(want, limit), 1);
  }
}

static wk_status equalise(const maker *m, int layer, int reader, wk_error *err) {
  const wk_net_layer *l = &m->n->layer[layer], *next = &m->n->layer[reader];
  const size_t channels = (size_t)l->to.channels, each = l->weights / channels;
  wk_net_channel *channel = m->channel[layer];
  float *weight = wk_alloc_array(channels, sizeof *weight);
  if (!weight)
    return wk_export_no_memory(err);
  choose_factors(channel, weight, l, next);
  wk_free(weight);
  for (size_t i = 0; i < l->weights; i++)
    m->weight[layer][i] *= channel[i / each].factor;
  for (size_t i = 0; i < next->weights; i++)
    m->weight[reader][i] /= channel[input_of(next, i)].factor;
  for (size_t c = 0; c < channels; c++) {
    wk_net_channel *k = &channel[c];
    m->bias[layer][c] *= k->factor;
    k->range = (wk_net_range){k->range.low * k->factor, k->range.high * k->factor};
    k->mean *= (double)k->factor;
  }
  return WK_OK;
}

/* Each output's weights are rounded to 127ths of the largest. */
static void correct_bias(const maker *m, int layer) {
  const wk_net_layer *l = &m->n->layer[layer];
  const wk_net_channel *in = m->channel[l->in[0]];
  const size_t outputs = (size_t)l->to.channels, each = l->weights / outputs;
  for (size_t o = 0; o < outputs; o++) {
    const float *row = l->weight + o * each;
    const double step = (double)largest(row, each) / 127;
    double more = 0;
    for (size_t i = 0; i < each && step > 0; i++)
      more += (round((double)row[i] / step) * step - (double)row[i]) * in[input_of(l, o * each + i)].mean;
    m->bias[layer][o] -= (float)more;
  }
}

wk_status wk_net_prepare_int8(wk_net *n, wk_net_channel *const *channel, wk_error *err) {
  maker m = {.n = n, .channel = channel};
  WK_RETURN_IF_ERROR(own_all(&m, err));
  for (int i = 1; i < n->layers; i++) {
    const int reader = reader_of(n, i);
    if (reader)
      WK_RETURN_IF_ERROR(equalise(&m, i, reader, err));
  }
  for (int i = 1; i < n->layers; i++) /* bytes of a photo have other steps */
    if (n->layer[i].op == WK_OP_CONV && n->layer[i].in[0] > 0)
      correct_bias(&m, i);
  return WK_OK;
}
