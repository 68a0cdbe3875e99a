/* logits.c - what an export is measured by: the logits of a model, and a picture to compute them of. */
#include <math.h>
#include <string.h>

#include "export/export.h"

static void set_pixels(wk_pixels *out, const wk_preprocess *p) {
  memcpy(out->mean, p->mean, sizeof out->mean);
  memcpy(out->std, p->std, sizeof out->std);
  out->bgr = p->bgr;
}

static void apply_head(float *out, const wk_head *h, const float *features) {
  for (int c = 0; c < h->class_count; c++) {
    double sum = (double)h->bias[c];
    for (int i = 0; i < h->feature_count; i++)
      sum += (double)h->weight[(size_t)c * (size_t)h->feature_count + (size_t)i] * (double)features[i];
    out[c] = (float)(sum / (double)h->temperature);
  }
}

wk_status wk_model_logits(float *out, const wk_model *m, const uint8_t *rgb, int height, int width,
                          const wk_pixels *pixels, wk_error *err) {
  wk_status st = WK_OK;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  wk_pixels own;
  wk_plan_options o;
  const wk_graph *g = m->backbone->graph;
  const wk_node output = m->head ? wk_graph_features(g) : wk_graph_logits(g);
  if (output < 0 || (m->head && m->head->kind != WK_HEAD_LINEAR))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s has no logits: its head is not a linear layer",
                   m->backbone->arch->name);
  set_pixels(&own, &m->backbone->preprocess);
  wk_plan_options_init(&o);
  o.height = height;
  o.width = width;
  o.batch = 1;
  o.output = &output;
  o.outputs = 1;
  o.pixels = pixels ? pixels : &own;
  WK_TRY(wk_plan_create(&plan, g, m->backbone->weights, &o, err));
  WK_TRY(wk_exec_create(&exec, plan, err));
  WK_TRY(wk_exec_run_pixels(exec, rgb, 1, err));
  if (m->head)
    apply_head(out, m->head, wk_exec_output(exec, 0));
  else
    memcpy(out, wk_exec_output(exec, 0), (size_t)m->label_count * sizeof *out);
done:
  wk_exec_free(exec);
  wk_plan_free(plan);
  return st;
}

/* ---- the picture --------------------------------------------------------------------------------------- */

/* A sky, a sun, hills and stripes, in whole numbers: the same bits everywhere. */
static void colour(uint8_t rgb[3], int x, int y) {
  const int dx = x - 226, dy = y - 70, hill = 150 + (x - 110) * (x - 110) / 400;
  rgb[0] = (uint8_t)(60 + y / 2);
  rgb[1] = (uint8_t)(120 + y / 3);
  rgb[2] = (uint8_t)(235 - y / 4);
  if (dx * dx + dy * dy < 1600)
    rgb[0] = 250, rgb[1] = (uint8_t)(225 - (dx * dx + dy * dy) / 32), rgb[2] = 60;
  if (y > hill)
    rgb[0] = (uint8_t)(40 + (x & 31)), rgb[1] = (uint8_t)(140 - (y - hill) / 2), rgb[2] = 50;
  if (y > 196) {
    const int stripe = (x + y) / 12 % 3;
    for (int c = 0; c < 3; c++)
      rgb[c] = stripe == c ? 220 : 45;
  }
}

wk_status wk_export_test_picture(wk_image *out, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc(out, 320, 240, err));
  for (int y = 0; y < out->height; y++)
    for (int x = 0; x < out->width; x++)
      colour(out->pixels + 3 * ((size_t)y * (size_t)out->width + (size_t)x), x, y);
  return WK_OK;
}
