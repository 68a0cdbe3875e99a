/* pixels.c - how bytes become a network's input: what a file says, what its first layers do, and, where nothing says
 * it, the convention of the kind of network it is. */
#include "import/pixels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct convention {
  const char *name, *means;
  float mean[3], std[3];
  bool bgr;
} convention;

static const convention conventions[] = {
    [WK_PIXELS_TORCH] = {"torch",
                         "(x / 255 - mean) / std of ImageNet",
                         {0.485f * 255, 0.456f * 255, 0.406f * 255},
                         {0.229f * 255, 0.224f * 255, 0.225f * 255},
                         false},
    [WK_PIXELS_TF] = {"tf", "x / 127.5 - 1", {127.5f, 127.5f, 127.5f}, {127.5f, 127.5f, 127.5f}, false},
    [WK_PIXELS_CAFFE] = {"caffe", "BGR, ImageNet's mean taken off", {103.939f, 116.779f, 123.68f}, {1, 1, 1}, true},
    [WK_PIXELS_UNIT] = {"unit", "x / 255", {0, 0, 0}, {255, 255, 255}, false},
    [WK_PIXELS_BYTES] = {"1,0", "bytes as they are", {0, 0, 0}, {1, 1, 1}, false},
};
enum { CONVENTIONS = sizeof conventions / sizeof *conventions };

void wk_pixels_set(wk_preprocess *p, wk_pixel_convention c) {
  memcpy(p->mean, conventions[c].mean, sizeof p->mean);
  memcpy(p->std, conventions[c].std, sizeof p->std);
  p->bgr = conventions[c].bgr;
}

const char *wk_pixels_meaning(wk_pixel_convention c) { return conventions[c].means; }

wk_status wk_pixels_parse(wk_preprocess *p, const char *text, wk_error *err) {
  for (int i = 0; i < CONVENTIONS; i++)
    if (strcasecmp(text, conventions[i].name) == 0) {
      wk_pixels_set(p, (wk_pixel_convention)i);
      return WK_OK;
    }
  char *end;
  const double scale = strtod(text, &end);
  const bool comma = end != text && *end == ',';
  const char *second = comma ? end + 1 : text;
  const double shift = comma ? strtod(second, &end) : 0;
  if (!comma || end == second || *end || !(scale > 1e-12 && scale < 1e12) || !(fabs(shift) < 1e12))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "pixels \"%.40s\" are not known: torch, tf, caffe or unit, or SCALE,SHIFT of bytes such as "
                   "0.00784,-1, with a scale above 0",
                   text);
  for (int c = 0; c < 3; c++) {
    p->mean[c] = (float)(-shift / scale);
    p->std[c] = (float)(1 / scale);
  }
  p->bgr = false;
  return WK_OK;
}

void wk_pixels_describe(char out[120], const wk_preprocess *p) {
  for (int i = 0; i < CONVENTIONS; i++) {
    const convention *c = &conventions[i];
    bool same = p->bgr == c->bgr;
    for (int k = 0; k < 3; k++)
      same &= fabsf(p->mean[k] - c->mean[k]) < 0.01f && fabsf(p->std[k] - c->std[k]) < 1e-4f * c->std[k];
    if (same) {
      snprintf(out, 120, "%s", c->means);
      return;
    }
  }
  if (p->mean[0] == p->mean[1] && p->mean[1] == p->mean[2] && p->std[0] == p->std[1] && p->std[1] == p->std[2])
    snprintf(out, 120, "%s(x - %.6g) / %.6g", p->bgr ? "BGR, " : "", (double)p->mean[0], (double)p->std[0]);
  else
    snprintf(out, 120, "%s(x - %.4g %.4g %.4g) / %.4g %.4g %.4g", p->bgr ? "BGR, " : "", (double)p->mean[0],
             (double)p->mean[1], (double)p->mean[2], (double)p->std[0], (double)p->std[1], (double)p->std[2]);
}

void wk_pixels_through(wk_preprocess *p, const float scale[3], const float shift[3]) {
  for (int c = 0; c < 3; c++) { /* s (x - mean) / std + t = (x - (mean - t std / s)) / (std / s) */
    const double s = (double)scale[c], std = (double)p->std[c] / s;
    p->mean[c] = (float)((double)p->mean[c] - (double)shift[c] * std);
    p->std[c] = (float)std;
  }
}
