/* quantize_int8.c - ranges and float weights to small integers (Jacob et al., "Quantization and training of neural
 * networks for efficient integer-arithmetic-only inference", CVPR 2018), with a scale for every output channel.
 *
 * The kernels add pairs of products in 16 bits. A channel whose weights would let such a sum overflow, were all
 * activations at their largest, gets a scale that is larger by as much: seldom, and then by little. */
#include "nn/ops/int8/quantize_int8.h"

#include <math.h>

void wk_int8_scales(wk_int8_scale *out, const float *low, const float *high, int channels) {
  double least = 0, most = 0;
  for (int c = 0; c < channels; c++) {
    least = low[c] < least ? low[c] : least;
    most = high[c] > most ? high[c] : most;
  }
  const double whole = most - least;
  for (int c = 0; c < channels; c++) {
    const double a = low[c] < 0 ? low[c] : 0, b = high[c] > 0 ? high[c] : 0, own = b - a;
    double range = sqrt((own > whole / 256 ? own : whole / 256) * whole);
    if (!(range > 0))
      range = 1; /* nothing but zeros */
    out->scale[c] = (float)(range / WK_U7_MAX);
    /* Where the range is wider than what was seen, it is so on both sides. */
    const double zero = own > 0 ? round(-a / own * WK_U7_MAX) : 0;
    out->zero[c] = (int32_t)zero;
  }
}

/* The largest sum of same-signed weights that the kernel adds up before it widens them. */
static double largest_pairs(const double *w, int k) {
  double most = 0;
  for (int i = 0; i < k; i += WK_INT8_DEPTH)
    for (int pair = 0; pair < 4; pair += 2) {
      double up = 0, down = 0;
      static const int member[] = {0, 1, 4, 5};
      for (int j = 0; j < 4; j++) {
        const int at = i + pair + member[j];
        if (at >= k)
          continue;
        up += w[at] > 0 ? w[at] : 0;
        down -= w[at] < 0 ? w[at] : 0;
      }
      most = up > most ? up : most;
      most = down > most ? down : most;
    }
  return most;
}

static bool quantise_row(int8_t *q, const double *w, int k, double scale) {
  for (int i = 0; i < k; i++)
    q[i] = (int8_t)lrint(w[i] / scale);
  for (int i = 0; i < k; i += WK_INT8_DEPTH)
    for (int pair = 0; pair < 4; pair += 2) {
      int up = 0, down = 0;
      for (int j = 0; j < 4; j++) {
        const int at = i + pair + (j < 2 ? j : j + 2);
        if (at >= k)
          continue;
        up += q[at] > 0 ? q[at] : 0;
        down -= q[at] < 0 ? q[at] : 0;
      }
      if (up > WK_INT8_PAIR_SUM || down > WK_INT8_PAIR_SUM)
        return false;
    }
  return true;
}

void wk_int8_product(int8_t *q, float *scale, float *shift, double *row, const float *weight, const float *bias,
                     const wk_int8_scale *in, int out_c, int in_c, int taps, int depth) {
  const int k = in_c * taps;
  for (int n = 0; n < out_c; n++, q += depth) {
    const float *w = weight + (size_t)n * (size_t)k;
    double most = 0;
    for (int t = 0; t < taps; t++)
      for (int i = 0; i < in_c; i++) {
        const double x = (double)w[(size_t)i * (size_t)taps + (size_t)t] * (double)in->scale[i];
        row[t * in_c + i] = x;
        most = fabs(x) > most ? fabs(x) : most;
      }
    const double pairs = largest_pairs(row, k);
    double s = most / 127;
    if (pairs / WK_INT8_PAIR_SUM > s)
      s = pairs / WK_INT8_PAIR_SUM;
    if (!(s > 0))
      s = 1;
    while (!quantise_row(q, row, k, s)) /* rounding may add up to two */
      s *= 1.004;
    for (int i = k; i < depth; i++)
      q[i] = 0;
    int64_t zeros = 0;
    for (int t = 0; t < taps; t++)
      for (int i = 0; i < in_c; i++)
        zeros += (int64_t)in->zero[i] * q[t * in_c + i];
    scale[n] = (float)s;
    shift[n] = (float)((bias ? (double)bias[n] : 0) - s * (double)zeros);
  }
}

void wk_int8_depthwise(int8_t *q, int16_t *shift, int16_t *multiplier, const float *weight, const float *bias,
                       const float *in_scale, const float *out_scale, int channels, int kernel) {
  const int taps = kernel * kernel, wide = wk_up(channels, WK_INT8_CHANNELS);
  for (int c = 0; c < channels; c++) {
    const float *w = weight + (size_t)c * (size_t)taps;
    const double b = bias ? (double)bias[c] : 0, in = (double)in_scale[c], out = (double)out_scale[c];
    double up = 0, down = 0, most = 0;
    for (int t = 0; t < taps; t++) {
      const double x = (double)w[t];
      up += x > 0 ? x : 0, down -= x < 0 ? x : 0;
      most = fabs(x) > most ? fabs(x) : most;
    }
    /* Rounding may add half to each. */
    const double room = WK_INT8_PAIR_SUM - 0.5 * taps;
    double s = most / 127;
    s = up / room > s ? up / room : s;
    s = down / room > s ? down / room : s;
    s = fabs(b) / in / INT16_MAX > s ? fabs(b) / in / INT16_MAX : s;
    /* The scale of the weights is chosen so that the multiplier is exact. It is at least 127, or sums at the end of 16
     * bits would stay below the largest byte. A channel that needs more than there is makes less than 1/127 of what
     * it adds up: it says nothing. */
    double m = ceil(in * s / out * 32768);
    m = m < WK_U7_MAX ? WK_U7_MAX : m;
    const bool nothing = !(m <= INT16_MAX);
    m = nothing ? INT16_MAX : m;
    s = m * out / 32768 / in;
    const int at = wk_depthwise_int8_at(c);
    for (int t = 0; t < taps; t++) {
      const int ky = t / kernel, kx = t % kernel;
      q[((size_t)(ky / 2 * kernel + kx) * (size_t)wide + (size_t)at) * 2 + (size_t)(ky % 2)] =
          nothing ? 0 : (int8_t)lrint((double)w[t] / s);
    }
    const double held = b / in / s;
    shift[at] = (int16_t)lrint(held > INT16_MAX ? INT16_MAX : held < -INT16_MAX ? -INT16_MAX : held);
    multiplier[at] = (int16_t)m;
  }
}
