/* int8_kernels.h - the kernels of a network that is exported as plain C in 8
 * bits; written as float_kernels.h is. A value is scale * (byte - zero), with
 * one scale and zero a layer (Jacob et al., "Quantization and training of
 * neural networks for efficient integer-arithmetic-only inference", CVPR 2018);
 * weights have a scale for each output and no zero. Ranges begin at 0 where a
 * layer ends in a ReLU, so that the limits of a byte are its limits. */
#ifndef WK_EXPORT_INT8_KERNELS_H
#define WK_EXPORT_INT8_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "export/plain_c/runtime/shared.h"

/* @part base8 */
typedef struct nn_steps { /* of what a layer reads, of the second that it reads,
                             of what it makes */
  float in, other, out;
  int in_zero, other_zero, out_zero;
} nn_steps;

/* The byte of so many steps above zero. */
static signed char nn_whole(float steps, int zero) {
  const float near = steps < -1e6f ? -1e6f : steps > 1e6f ? 1e6f : steps < 0.0f ? steps - 0.5f : steps + 0.5f;
  const int byte = (int)near + zero;
  return (signed char)(byte < -128 ? -128 : byte > 127 ? 127 : byte);
}

static signed char nn_byte(float x, const nn_steps *s) { return nn_whole(x / s->out, s->out_zero); }

static float nn_real(signed char byte, float scale, int zero) { return scale * (float)(byte - zero); }

/* @part sum8: base8 */
/* acc[m] += x[n] times w, whose n rows have m numbers in use and lie `stride`
 * apart. */
static void nn_sum8(int32_t *nn_restrict acc, const signed char *nn_restrict x, int zero,
                    const signed char *nn_restrict w, int n, int m, int stride) {
  int i = 0, o;
  for (; i + 2 <= n; i += 2, w += 2 * stride) {
    const int a = x[i] - zero, b = x[i + 1] - zero;
    const signed char *wb = w + stride;
    if (m == nn_block)
      for (o = 0; o < nn_block; o++)
        acc[o] += a * w[o] + b * wb[o];
    else
      for (o = 0; o < m; o++)
        acc[o] += a * w[o] + b * wb[o];
  }
  for (; i < n; i++, w += stride)
    for (o = 0; o < m; o++)
      acc[o] += (x[i] - zero) * w[o];
}

/* Sums to bytes: each output has a scale, and starts from a bias in that scale.
 */
static void nn_bytes8(signed char *out, const int32_t *acc, const float *scale, const nn_steps *s, int m) {
  int o;
  for (o = 0; o < m; o++)
    out[o] = nn_whole((float)acc[o] * scale[o], s->out_zero);
}

/* @part conv8: sum8 window */
/* Weights: [oc] scales, [oc] biases of 32 bits, then bytes [kh, kw, ic /
 * groups, oc]. */
static void nn_conv8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                     const signed char *other, const unsigned char *w) {
  const int icg = l->ic / l->groups, ocg = l->oc / l->groups;
  const float *scale = (const float *)(const void *)w;
  const int32_t *bias = (const int32_t *)(const void *)(w + 4 * l->oc);
  const signed char *weight = (const signed char *)(w + 8 * l->oc);
  int32_t acc[nn_block];
  int g, b, y, x, ky, kx;
  (void)other;
  for (g = 0; g < l->groups; g++)
    for (b = 0; b < ocg; b += nn_block) {
      const int at = g * ocg + b, m = ocg - b < nn_block ? ocg - b : nn_block;
      for (y = 0; y < l->oh; y++)
        for (x = 0; x < l->ow; x++) {
          const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left;
          int y1, y2, x1, x2;
          nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
          nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
          memcpy(acc, bias + at, (size_t)m * sizeof *acc);
          for (ky = y1; ky < y2; ky++)
            for (kx = x1; kx < x2; kx++)
              nn_sum8(acc, in + ((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * l->ic + g * icg, s->in_zero,
                      weight + (ky * l->kw + kx) * icg * l->oc + at, icg, m, l->oc);
          nn_bytes8(out + (y * l->ow + x) * l->oc + at, acc, scale + at, s, m);
        }
    }
}

/* @part conv_rgb8: sum8 window */
/* The first convolution, of a photo's bytes. Weights: 3 zeros of 32 bits, then
 * as above; the bytes' scales are in them. */
static void nn_conv_rgb8(const nn_layer *l, const nn_steps *s, signed char *out, const unsigned char *rgb,
                         const signed char *other, const unsigned char *w) {
  const int32_t *zero = (const int32_t *)(const void *)w, *bias = zero + 3 + l->oc;
  const float *scale = (const float *)(const void *)(zero + 3);
  const signed char *weight = (const signed char *)(w + 12 + 8 * l->oc);
  int32_t acc[nn_block];
  int b, y, x, ky, kx, c, o;
  (void)other;
  for (b = 0; b < l->oc; b += nn_block) {
    const int m = l->oc - b < nn_block ? l->oc - b : nn_block;
    for (y = 0; y < l->oh; y++)
      for (x = 0; x < l->ow; x++) {
        const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left;
        int y1, y2, x1, x2;
        nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
        nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
        memcpy(acc, bias + b, (size_t)m * sizeof *acc);
        for (ky = y1; ky < y2; ky++)
          for (kx = x1; kx < x2; kx++)
            for (c = 0; c < 3; c++) {
              const int pixel = rgb[((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * 3 + c] - zero[c];
              const signed char *v = weight + ((ky * l->kw + kx) * 3 + c) * l->oc + b;
              for (o = 0; o < m; o++)
                acc[o] += pixel * v[o];
            }
        nn_bytes8(out + (y * l->ow + x) * l->oc + b, acc, scale + b, s, m);
      }
  }
}

/* @part rgb8: base8 */
/* A photo's bytes as the network's input. Weights: [3][256] what each byte
 * means. */
static void nn_rgb8(const nn_layer *l, const nn_steps *s, signed char *out, const unsigned char *rgb,
                    const signed char *other, const unsigned char *w) {
  const float *value = (const float *)(const void *)w;
  int i, c;
  (void)other;
  for (i = 0; i < l->oh * l->ow; i++)
    for (c = 0; c < 3; c++)
      out[i * 3 + c] = nn_byte(value[c * 256 + rgb[i * 3 + c]], s);
}

/* @part depthwise8: sum8 window */
/* Weights: as a convolution's, bytes [kh, kw, c]. */
static void nn_depthwise8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                          const signed char *other, const unsigned char *w) {
  const int n = l->oc, zero = s->in_zero;
  const float *scale = (const float *)(const void *)w;
  const int32_t *bias = (const int32_t *)(const void *)(w + 4 * n);
  const signed char *weight = (const signed char *)(w + 8 * n);
  int y, x, ky, kx, c, b;
  (void)other;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++) {
      const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left;
      int y1, y2, x1, x2;
      nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
      nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
      for (b = 0; b < n; b += nn_block) {
        const int m = n - b < nn_block ? n - b : nn_block;
        int32_t acc[nn_block];
        memcpy(acc, bias + b, (size_t)m * sizeof *acc);
        for (ky = y1; ky < y2; ky++)
          for (kx = x1; kx < x2; kx++) {
            const signed char *p = in + ((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * n + b;
            const signed char *v = weight + (ky * l->kw + kx) * n + b;
            for (c = 0; c < m; c++)
              acc[c] += (p[c] - zero) * v[c];
          }
        nn_bytes8(out + (y * l->ow + x) * n + b, acc, scale + b, s, m);
      }
    }
}

/* @part affine8: base8 */
/* Weights: [c] floats that each channel is multiplied with, [c] that are added.
 */
static void nn_affine8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                       const signed char *other, const unsigned char *w) {
  const float *scale = (const float *)(const void *)w;
  int i, c;
  (void)other;
  for (i = 0; i < l->oh * l->ow; i++, in += l->oc, out += l->oc)
    for (c = 0; c < l->oc; c++)
      out[c] = nn_byte(nn_real(in[c], s->in, s->in_zero) * scale[c] + scale[l->oc + c], s);
}

/* @part curves8: activate base8 */
/* A byte has 256 values: each is computed once. */
static void nn_curves8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                       const signed char *other, const unsigned char *w) {
  const int n = l->oh * l->ow * l->oc;
  signed char table[256];
  int i;
  (void)other;
  (void)w;
  for (i = 0; i < 256; i++) {
    float x = nn_real((signed char)(i - 128), s->in, s->in_zero);
    nn_activate(&x, 1, l->act, l->alpha);
    table[i] = nn_byte(x, s);
  }
  for (i = 0; i < n; i++)
    out[i] = table[in[i] + 128];
}

/* @part add8: base8 */
static void nn_add8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                    const signed char *other, const unsigned char *w) {
  int i;
  (void)w;
  for (i = 0; i < l->oh * l->ow * l->oc; i++)
    out[i] = nn_byte(nn_real(in[i], s->in, s->in_zero) + nn_real(other[i], s->other, s->other_zero), s);
}

/* @part multiply8: base8 */
static void nn_multiply8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                         const signed char *other, const unsigned char *w) {
  int i;
  (void)w;
  for (i = 0; i < l->oh * l->ow * l->oc; i++)
    out[i] = nn_byte(nn_real(in[i], s->in, s->in_zero) * nn_real(other[i], s->other, s->other_zero), s);
}

/* @part scale8: base8 */
static void nn_scale8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                      const signed char *other, const unsigned char *w) {
  int i, c;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->oc, out += l->oc)
    for (c = 0; c < l->oc; c++)
      out[c] = nn_byte(nn_real(in[c], s->in, s->in_zero) * nn_real(other[c], s->other, s->other_zero), s);
}

/* @part max_pool8: window base8 */
/* What moves bytes and computes nothing has the scale of what it reads. */
static void nn_max_pool8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                         const signed char *other, const unsigned char *w) {
  const int n = l->ic;
  int y, x, ky, kx, c;
  (void)s;
  (void)other;
  (void)w;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++, out += n) {
      const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left;
      int y1, y2, x1, x2;
      nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
      nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
      memset(out, -128, (size_t)n);
      for (ky = y1; ky < y2; ky++)
        for (kx = x1; kx < x2; kx++) {
          const signed char *p = in + ((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * n;
          for (c = 0; c < n; c++)
            out[c] = p[c] > out[c] ? p[c] : out[c];
        }
    }
}

/* @part mean8: base8 */
static void nn_mean8(signed char *out, const signed char *in, const nn_steps *s, int iw, int n, int y1, int y2, int x1,
                     int x2, int divisor) {
  int y, x, c;
  for (c = 0; c < n; c++) {
    int32_t sum = 0;
    for (y = y1; y < y2; y++)
      for (x = x1; x < x2; x++)
        sum += in[(y * iw + x) * n + c] - s->in_zero;
    out[c] = nn_byte(s->in * (float)sum / (float)divisor, s);
  }
}

/* @part avg_pool8: mean8 window */
static void nn_avg_pool8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                         const signed char *other, const unsigned char *w) {
  int y, x;
  (void)other;
  (void)w;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++, out += l->oc) {
      const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left, yp = l->ih + l->bottom, xp = l->iw + l->right;
      int y1, y2, x1, x2, ny, nx;
      nn_window(&y1, &y2, y0, l->kh, 1, l->ih);
      nn_window(&x1, &x2, x0, l->kw, 1, l->iw);
      ny = l->first ? (y0 + l->kh < yp ? l->kh : yp - y0) : y2 - y1;
      nx = l->first ? (x0 + l->kw < xp ? l->kw : xp - x0) : x2 - x1;
      nn_mean8(out, in, s, l->iw, l->ic, y0 + y1, y0 + y2, x0 + x1, x0 + x2, ny * nx);
    }
}

/* @part adaptive_avg_pool8: mean8 */
static void nn_adaptive_avg_pool8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                                  const signed char *other, const unsigned char *w) {
  int y, x;
  (void)other;
  (void)w;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++, out += l->oc) {
      const int y1 = y * l->ih / l->oh, y2 = ((y + 1) * l->ih + l->oh - 1) / l->oh;
      const int x1 = x * l->iw / l->ow, x2 = ((x + 1) * l->iw + l->ow - 1) / l->ow;
      nn_mean8(out, in, s, l->iw, l->ic, y1, y2, x1, x2, (y2 - y1) * (x2 - x1));
    }
}

/* @part flatten8: base8 */
static void nn_flatten8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                        const signed char *other, const unsigned char *w) {
  const int pixels = l->ih * l->iw;
  int c, p;
  (void)s;
  (void)other;
  (void)w;
  for (c = 0; c < l->ic; c++)
    for (p = 0; p < pixels; p++)
      out[c * pixels + p] = in[p * l->ic + c];
}

/* @part copy8: base8 */
static void nn_copy8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                     const signed char *other, const unsigned char *w) {
  int i, c;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++)
    for (c = 0; c < l->ic; c++)
      out[i * l->oc + l->first + c] = nn_byte(nn_real(in[i * l->ic + c], s->in, s->in_zero), s);
}

/* @part slice8: base8 */
static void nn_slice8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                      const signed char *other, const unsigned char *w) {
  int i;
  (void)s;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++)
    memcpy(out + i * l->oc, in + i * l->ic + l->first, (size_t)l->oc);
}

/* @part pad8: base8 */
static void nn_pad8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                    const signed char *other, const unsigned char *w) {
  int y, x;
  (void)other;
  (void)w;
  memset(out, s->out_zero, (size_t)(l->oh * l->ow * l->oc));
  for (y = 0; y < l->ih; y++)
    for (x = 0; x < l->iw; x++)
      memcpy(out + ((y + l->top) * l->ow + x + l->left) * l->oc + l->first, in + (y * l->iw + x) * l->ic,
             (size_t)l->ic);
}

/* @part shuffle8: base8 */
static void nn_shuffle8(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                        const signed char *other, const unsigned char *w) {
  const int each = l->ic / l->groups;
  int i, g, k;
  (void)s;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->ic, out += l->oc)
    for (g = 0; g < l->groups; g++)
      for (k = 0; k < each; k++)
        out[k * l->groups + g] = in[g * each + k];
}
/* @end */

#endif
