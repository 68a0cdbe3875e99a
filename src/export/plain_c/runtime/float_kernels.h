/* float_kernels.h - what a network exported as plain C computes with, in float32. This text is written into the header
 * that `export` makes, part by part, as far as the network needs it, with the network's name in place of nn_; and it is
 * compiled into whisker as it stands, which runs what was written with it. So it is C99 that C++ reads as well, with
 * nothing beyond memcpy and the functions of math.h.
 *
 * Values are float32 in the order (height, width, channel). Every kernel is given its layer, where it writes, where it
 * reads, the second thing it reads (0: nothing), and its weights. */
#ifndef WK_EXPORT_FLOAT_KERNELS_H
#define WK_EXPORT_FLOAT_KERNELS_H

#include <string.h>

#include "export/plain_c/runtime/shared.h"

/* @part sum */
/* acc[m] += x[n] times w, whose n rows have m numbers in use and lie `stride` apart. */
static void nn_sum(float *nn_restrict acc, const float *nn_restrict x, const float *nn_restrict w, int n, int m,
                   int stride) {
  int i = 0, o;
  for (; i + 4 <= n; i += 4, w += 4 * stride) {
    const float a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
    const float *wb = w + stride, *wc = wb + stride, *wd = wc + stride;
    if (m == nn_block)
      for (o = 0; o < nn_block; o++)
        acc[o] += a * w[o] + b * wb[o] + c * wc[o] + d * wd[o];
    else
      for (o = 0; o < m; o++)
        acc[o] += a * w[o] + b * wb[o] + c * wc[o] + d * wd[o];
  }
  for (; i < n; i++, w += stride)
    for (o = 0; o < m; o++)
      acc[o] += x[i] * w[o];
}

/* @part conv: activate sum window */
/* Convolution, also in groups. Weights: [oc], then [kh, kw, ic / groups, oc]. */
static void nn_conv(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int icg = l->ic / l->groups, ocg = l->oc / l->groups;
  float acc[nn_block];
  int g, b, y, x, ky, kx;
  (void)other;
  for (g = 0; g < l->groups; g++)
    for (b = 0; b < ocg; b += nn_block) {
      const int at = g * ocg + b, m = ocg - b < nn_block ? ocg - b : nn_block;
      const float *wg = w + l->oc + at;
      for (y = 0; y < l->oh; y++)
        for (x = 0; x < l->ow; x++) {
          const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left, to = (y * l->ow + x) * l->oc + at;
          int y1, y2, x1, x2;
          nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
          nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
          memcpy(acc, w + at, (size_t)m * sizeof *acc);
          for (ky = y1; ky < y2; ky++) {
            const int row = ((y0 + ky * l->dh) * l->iw + x0) * l->ic + g * icg;
            const float *wr = wg + ky * l->kw * icg * l->oc;
            if (l->groups == 1 && l->dw == 1) { /* pixels side by side are one row of numbers */
              if (x2 > x1)
                nn_sum(acc, in + row + x1 * icg, wr + x1 * icg * l->oc, (x2 - x1) * icg, m, l->oc);
              continue;
            }
            for (kx = x1; kx < x2; kx++)
              nn_sum(acc, in + row + kx * l->dw * l->ic, wr + kx * icg * l->oc, icg, m, l->oc);
          }
          nn_activate(acc, m, l->act, l->alpha);
          memcpy(out + to, acc, (size_t)m * sizeof *acc);
        }
    }
}

/* @part conv_rgb: activate sum window */
/* The first convolution, of a photo's bytes. Weights: [3][256] what each byte means, then as those of a convolution. */
static void nn_conv_rgb(const nn_layer *l, float *out, const unsigned char *rgb, const float *other, const float *w) {
  const float *bias = w + 3 * 256;
  float acc[nn_block], patch[3 * nn_patch];
  int b, y, x, ky, kx, c;
  (void)other;
  for (b = 0; b < l->oc; b += nn_block) {
    const int m = l->oc - b < nn_block ? l->oc - b : nn_block;
    for (y = 0; y < l->oh; y++)
      for (x = 0; x < l->ow; x++) {
        const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left, to = (y * l->ow + x) * l->oc + b;
        int y1, y2, x1, x2;
        nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
        nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
        memcpy(acc, bias + b, (size_t)m * sizeof *acc);
        for (ky = y1; ky < y2 && x2 > x1; ky++) {
          const int row = (y0 + ky * l->dh) * l->iw + x0;
          for (kx = x1; kx < x2; kx++)
            for (c = 0; c < 3; c++)
              patch[(kx - x1) * 3 + c] = w[c * 256 + rgb[(row + kx * l->dw) * 3 + c]];
          nn_sum(acc, patch, bias + l->oc + (ky * l->kw + x1) * 3 * l->oc + b, (x2 - x1) * 3, m, l->oc);
        }
        nn_activate(acc, m, l->act, l->alpha);
        memcpy(out + to, acc, (size_t)m * sizeof *acc);
      }
  }
}

/* @part rgb */
/* A photo's bytes as the network's input. Weights: [3][256], as above. */
static void nn_rgb(const nn_layer *l, float *out, const unsigned char *rgb, const float *other, const float *w) {
  int i, c;
  (void)other;
  for (i = 0; i < l->oh * l->ow; i++)
    for (c = 0; c < 3; c++)
      out[i * 3 + c] = w[c * 256 + rgb[i * 3 + c]];
}

/* @part depthwise: activate window */
/* A convolution of each channel for itself. Weights: [c], then [kh, kw, c]. */
static void nn_depthwise(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->oc;
  int y, x, ky, kx, c;
  (void)other;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++) {
      const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left, to = (y * l->ow + x) * n;
      int y1, y2, x1, x2, b;
      nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
      nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
      for (b = 0; b < n; b += nn_block) {
        const int m = n - b < nn_block ? n - b : nn_block;
        float acc[nn_block];
        memcpy(acc, w + b, (size_t)m * sizeof *acc);
        for (ky = y1; ky < y2; ky++)
          for (kx = x1; kx < x2; kx++) {
            const float *p = in + ((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * n + b;
            const float *v = w + (1 + ky * l->kw + kx) * n + b;
            if (m == nn_block)
              for (c = 0; c < nn_block; c++)
                acc[c] += p[c] * v[c];
            else
              for (c = 0; c < m; c++)
                acc[c] += p[c] * v[c];
          }
        nn_activate(acc, m, l->act, l->alpha);
        memcpy(out + to + b, acc, (size_t)m * sizeof *acc);
      }
    }
}

/* @part affine: activate */
/* Weights: [c] what each channel is multiplied with, [c] what is added to it. */
static void nn_affine(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->oc;
  int i, c;
  (void)other;
  for (i = 0; i < l->oh * l->ow; i++, in += n, out += n) {
    for (c = 0; c < n; c++)
      out[c] = in[c] * w[c] + w[n + c];
    nn_activate(out, n, l->act, l->alpha);
  }
}

/* @part curves: activate */
static void nn_curves(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->oh * l->ow * l->oc;
  (void)other;
  (void)w;
  if (out != in)
    memcpy(out, in, (size_t)n * sizeof *out);
  nn_activate(out, n, l->act, l->alpha);
}

/* @part add: activate */
static void nn_add(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->oh * l->ow * l->oc;
  int i;
  (void)w;
  for (i = 0; i < n; i++)
    out[i] = in[i] + other[i];
  nn_activate(out, n, l->act, l->alpha);
}

/* @part multiply */
static void nn_multiply(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->oh * l->ow * l->oc;
  int i;
  (void)w;
  for (i = 0; i < n; i++)
    out[i] = in[i] * other[i];
}

/* @part scale */
/* Every pixel times one number a channel. */
static void nn_scale(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int i, c;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->oc, out += l->oc)
    for (c = 0; c < l->oc; c++)
      out[c] = in[c] * other[c];
}

/* @part round */
/* alpha times the whole number nearest to x / alpha, at least first, at most count. */
static void nn_round(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const float per = 1.0f / l->alpha, least = (float)l->first, most = (float)l->count;
  int i;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow * l->oc; i++) {
    const float x = in[i] * per, whole = truncf(x < 0.0f ? x - 0.5f : x + 0.5f);
    out[i] = l->alpha * (whole < least ? least : whole > most ? most : whole);
  }
}

/* @part max_pool: window */
static void nn_max_pool(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int n = l->ic;
  int y, x, ky, kx, c;
  (void)other;
  (void)w;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++, out += n) {
      const int y0 = y * l->sh - l->top, x0 = x * l->sw - l->left;
      int y1, y2, x1, x2;
      nn_window(&y1, &y2, y0, l->kh, l->dh, l->ih);
      nn_window(&x1, &x2, x0, l->kw, l->dw, l->iw);
      for (c = 0; c < n; c++)
        out[c] = -HUGE_VALF;
      for (ky = y1; ky < y2; ky++)
        for (kx = x1; kx < x2; kx++) {
          const float *p = in + ((y0 + ky * l->dh) * l->iw + x0 + kx * l->dw) * n;
          for (c = 0; c < n; c++)
            out[c] = p[c] > out[c] ? p[c] : out[c];
        }
    }
}

/* @part mean */
/* The mean of the pixels from (y1, x1) up to (y2, x2). */
static void nn_mean(float *nn_restrict out, const float *nn_restrict in, int iw, int n, int y1, int y2, int x1, int x2,
                    float divisor) {
  int y, x, c;
  for (c = 0; c < n; c++)
    out[c] = 0.0f;
  for (y = y1; y < y2; y++)
    for (x = x1; x < x2; x++) {
      const float *p = in + (y * iw + x) * n;
      for (c = 0; c < n; c++)
        out[c] += p[c];
    }
  for (c = 0; c < n; c++)
    out[c] /= divisor;
}

/* @part avg_pool: mean window */
/* first: 1 where padding counts, up to the padded input's end. */
static void nn_avg_pool(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
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
      nn_mean(out, in, l->iw, l->ic, y0 + y1, y0 + y2, x0 + x1, x0 + x2, (float)(ny * nx));
    }
}

/* @part adaptive_avg_pool: mean */
/* As many means as the output has pixels, of blocks that may overlap. */
static void nn_adaptive_avg_pool(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int y, x;
  (void)other;
  (void)w;
  for (y = 0; y < l->oh; y++)
    for (x = 0; x < l->ow; x++, out += l->oc) {
      const int y1 = y * l->ih / l->oh, y2 = ((y + 1) * l->ih + l->oh - 1) / l->oh;
      const int x1 = x * l->iw / l->ow, x2 = ((x + 1) * l->iw + l->ow - 1) / l->ow;
      nn_mean(out, in, l->iw, l->ic, y1, y2, x1, x2, (float)((y2 - y1) * (x2 - x1)));
    }
}

/* @part flatten */
/* Into the order (channel, height, width). */
static void nn_flatten(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int pixels = l->ih * l->iw;
  int c, p;
  (void)other;
  (void)w;
  for (c = 0; c < l->ic; c++)
    for (p = 0; p < pixels; p++)
      out[c * pixels + p] = in[p * l->ic + c];
}

/* @part copy */
/* All channels, to the output's from `first` on: the joining of several. */
static void nn_copy(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int i;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++)
    memcpy(out + i * l->oc + l->first, in + i * l->ic, (size_t)l->ic * sizeof *out);
}

/* @part slice */
/* The channels from `first` on. */
static void nn_slice(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int i;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++)
    memcpy(out + i * l->oc, in + i * l->ic + l->first, (size_t)l->oc * sizeof *out);
}

/* @part pad */
/* Zeros around pixels, and before (`first`) and behind channels. */
static void nn_pad(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int y, x;
  (void)other;
  (void)w;
  memset(out, 0, (size_t)(l->oh * l->ow * l->oc) * sizeof *out);
  for (y = 0; y < l->ih; y++)
    for (x = 0; x < l->iw; x++)
      memcpy(out + ((y + l->top) * l->ow + x + l->left) * l->oc + l->first, in + (y * l->iw + x) * l->ic,
             (size_t)l->ic * sizeof *out);
}

/* @part shuffle */
/* Channels as [groups, ic / groups], turned. */
static void nn_shuffle(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int each = l->ic / l->groups;
  int i, g, k;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->ic, out += l->oc)
    for (g = 0; g < l->groups; g++)
      for (k = 0; k < each; k++)
        out[k * l->groups + g] = in[g * each + k];
}

/* @part lrn */
/* Local response normalisation over `count` channels. */
static void nn_lrn(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  const int before = (l->count - 1) / 2, behind = l->count / 2;
  int i, c, k;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->ic, out += l->oc)
    for (c = 0; c < l->oc; c++) {
      float squares = 0.0f;
      for (k = c < before ? 0 : c - before; k <= c + behind && k < l->ic; k++)
        squares += in[k] * in[k];
      out[c] = in[c] * powf(l->bias + l->alpha / (float)l->count * squares, -l->beta);
    }
}

/* @part shares */
/* Softmax over the channels of every pixel. */
static void nn_shares(const nn_layer *l, float *out, const float *in, const float *other, const float *w) {
  int i, c;
  (void)other;
  (void)w;
  for (i = 0; i < l->oh * l->ow; i++, in += l->oc, out += l->oc) {
    float most = in[0], sum = 0.0f;
    for (c = 1; c < l->oc; c++)
      most = in[c] > most ? in[c] : most;
    for (c = 0; c < l->oc; c++)
      sum += out[c] = expf(in[c] - most);
    for (c = 0; c < l->oc; c++)
      out[c] /= sum;
  }
}
/* @end */

#endif
