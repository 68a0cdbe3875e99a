/* dots.c - how much two pictures agree that are reduced to WK_DOTS x WK_DOTS grey dots: as they are, or after edges of
 * one were cut off so that it fits the other best. */
#include <math.h>

#include "data/check.h"

enum { DOTS = WK_DOTS * WK_DOTS };
#define STEP 0.0075 /* by which each edge is moved to fit */

void wk_dots_cut(uint8_t *out, const uint8_t *dot, const wk_dots_box *b, bool mirrored) {
  int left[WK_DOTS], part[WK_DOTS];
  for (int x = 0; x < WK_DOTS; x++) {
    double at = (b->x0 + (b->x1 - b->x0) * (x + 0.5) / WK_DOTS) * WK_DOTS - 0.5;
    at = at < 0 ? 0 : at > WK_DOTS - 1 ? WK_DOTS - 1 : at;
    left[x] = at >= WK_DOTS - 1 ? WK_DOTS - 2 : (int)at;
    part[x] = (int)lround(256 * (at - left[x]));
  }
  for (int y = 0; y < WK_DOTS; y++) {
    double at = (b->y0 + (b->y1 - b->y0) * (y + 0.5) / WK_DOTS) * WK_DOTS - 0.5;
    at = at < 0 ? 0 : at > WK_DOTS - 1 ? WK_DOTS - 1 : at;
    const int top = at >= WK_DOTS - 1 ? WK_DOTS - 2 : (int)at, down = (int)lround(256 * (at - top));
    const uint8_t *row = dot + top * WK_DOTS, *next = row + WK_DOTS;
    for (int x = 0; x < WK_DOTS; x++) {
      const int l = left[x], p = part[x];
      const int above = row[l] * (256 - p) + row[l + 1] * p, below = next[l] * (256 - p) + next[l + 1] * p;
      out[y * WK_DOTS + (mirrored ? WK_DOTS - 1 - x : x)] =
          (uint8_t)((above * (256 - down) + below * down + 32768) >> 16);
    }
  }
}

double wk_dots_correlation(const uint8_t *a, const uint8_t *b) {
  int64_t sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < DOTS; i++) {
    sum_a += a[i], sum_b += b[i];
    aa += a[i] * a[i], bb += b[i] * b[i], ab += a[i] * b[i];
  }
  const double va = (double)(aa * DOTS - sum_a * sum_a), vb = (double)(bb * DOTS - sum_b * sum_b);
  return va > 0 && vb > 0 ? (double)(ab * DOTS - sum_a * sum_b) / sqrt(va * vb) : 0;
}

double wk_dots_fit(const uint8_t *a, const uint8_t *b, const wk_dots_box *first, bool mirrored,
                   const wk_dots_fitting *how) {
  uint8_t part[DOTS];
  const double farthest = how->farthest;
  wk_dots_box at = *first;
  wk_dots_cut(part, a, &at, mirrored);
  double best = wk_dots_correlation(part, b);
  for (bool better = best >= how->worth; better && best < how->enough;) {
    better = false;
    for (int edge = 0; edge < 8; edge++) {
      wk_dots_box next = at;
      double *side = edge / 2 == 0 ? &next.x0 : edge / 2 == 1 ? &next.y0 : edge / 2 == 2 ? &next.x1 : &next.y1;
      *side += edge % 2 ? STEP : -STEP;
      if (next.x0 < 0 || next.y0 < 0 || next.x1 > 1 || next.y1 > 1 || next.x0 > farthest || next.y0 > farthest ||
          next.x1 < 1 - farthest || next.y1 < 1 - farthest)
        continue;
      wk_dots_cut(part, a, &next, mirrored);
      const double found = wk_dots_correlation(part, b);
      if (found > best) {
        best = found;
        at = next;
        better = true;
      }
    }
  }
  return best;
}
