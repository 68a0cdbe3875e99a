/* ranges.c - between which values the layers of a network move on somebody's photos: every layer's output is computed
 * in float32 for each of them, and the extremes are taken. */
#include <string.h>

#include "data/data.h"
#include "export/export.h"

typedef struct measure {
  wk_net *n;
  wk_plan *plan;
  wk_exec *exec;
  wk_node *output; /* [layers] of the plan */
  uint8_t *rgb;
  wk_buffer file;
  wk_net_range *range;
  size_t seen;
} measure;

static wk_status make_plan(measure *m, const wk_tensors *weights, const wk_context *ctx, wk_error *err) {
  const wk_preprocess *p = &m->n->preprocess;
  wk_pixels pixels = {.bgr = false};
  wk_plan_options o;
  memcpy(pixels.mean, p->mean, sizeof pixels.mean);
  memcpy(pixels.std, p->std, sizeof pixels.std);
  wk_plan_options_init(&o);
  o.height = p->height, o.width = p->width;
  o.batch = 1;
  o.threads = wk_context_threads(ctx);
  o.pixels = &pixels;
  o.output = m->output;
  o.outputs = m->n->layers;
  WK_RETURN_IF_ERROR(wk_plan_create(&m->plan, m->n->graph, weights, &o, err));
  return wk_exec_create(&m->exec, m->plan, err);
}

static void see(measure *m) {
  for (int i = 0; i < m->n->layers; i++) {
    const float *value = wk_exec_output(m->exec, i);
    const wk_shape s = wk_plan_output_shape(m->plan, i);
    const size_t count = (size_t)s.height * (size_t)s.width * (size_t)s.channels;
    wk_net_range r = m->seen ? m->range[i] : (wk_net_range){value[0], value[0]};
    for (size_t k = 0; k < count; k++) {
      r.low = value[k] < r.low ? value[k] : r.low;
      r.high = value[k] > r.high ? value[k] : r.high;
    }
    m->range[i] = r;
  }
  m->seen++;
}

/* Photos that cannot be read are passed over. */
static wk_status look_at(measure *m, const char *path, wk_error *err) {
  wk_photo_file file = {.fd = -1};
  wk_error reason;
  wk_status st = wk_photo_open(&file, path, &reason);
  if (st == WK_OK)
    st = wk_photo_read(&m->file, &file, &reason);
  if (st == WK_OK)
    st = wk_preprocess_bytes(m->rgb, m->file.data, m->file.size, &m->n->preprocess, &reason);
  wk_photo_close(&file);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s: %s", path, reason.message);
  if (st != WK_OK)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_exec_run_pixels(m->exec, m->rgb, 1, err));
  see(m);
  return WK_OK;
}

wk_status wk_net_measure(const wk_net_range **out, const wk_export_job *job, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_net *n = job->net;
  measure m = {.n = n};
  wk_tensors *weights = NULL;
  wk_progress progress = {0};
  const size_t count = job->o->photo_count;
  m.range = wk_net_alloc(n, (size_t)n->layers, sizeof *m.range);
  m.output = wk_net_alloc(n, (size_t)n->layers, sizeof *m.output);
  m.rgb = wk_net_alloc(n, (size_t)n->preprocess.height * (size_t)n->preprocess.width, 3);
  WK_FAIL_IF(!m.range || !m.output || !m.rgb, err, WK_ERR_MEMORY, "out of memory for an export");
  for (int i = 0; i < n->layers; i++)
    m.output[i] = n->layer[i].node;
  WK_TRY(wk_net_weights(&weights, job, err));
  WK_TRY(make_plan(&m, weights, ctx, err));
  WK_TRY(wk_progress_begin(&progress, ctx, "ranges", count, err));
  for (size_t i = 0; i < count; i++) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "cancelled");
    WK_TRY(look_at(&m, job->o->photos[i], err));
    wk_progress_add(&progress, 1);
  }
  WK_FAIL_IF(!m.seen, err, WK_ERR_FORMAT, "none of %zu photos could be read: the ranges of int8 are not known", count);
  *out = m.range;
done:
  wk_progress_end(&progress);
  wk_exec_free(m.exec);
  wk_plan_free(m.plan);
  wk_tensors_free(weights);
  wk_buffer_free(&m.file);
  return st;
}
