/* ranges.c - between which values the layers of a network move on somebody's photos: every layer's output is computed
 * in float32 for each of them. Their extremes say how channels are made alike (int8_weights.c), and their numbers which
 * range errs least. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "data/photo_batch.h"
#include "export/export.h"

enum { BINS = 1024, CUTS = 40 };

typedef struct measure {
  wk_net *n;
  wk_plan *plan;
  wk_photo_batch batch; /* of one photo */
  wk_node *output;      /* [layers] of the plan */
  wk_net_range *range;
  wk_net_channel **channel; /* [layers][channels] */
  uint32_t *bins;           /* [layers][BINS] how often; NULL: the extremes are looked for */
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
  return wk_plan_create(&m->plan, m->n->graph, weights, &o, err);
}

static size_t values_of(const measure *m, int layer) {
  const wk_shape s = wk_plan_output_shape(m->plan, layer);
  return (size_t)s.height * (size_t)s.width * (size_t)s.channels;
}

static void see_extremes(measure *m) {
  for (int i = 0; i < m->n->layers; i++) {
    const float *value = wk_exec_output(m->batch.exec, i);
    const size_t count = values_of(m, i), channels = (size_t)m->n->layer[i].to.channels;
    for (size_t k = 0; k < count; k++) {
      wk_net_channel *c = &m->channel[i][k % channels];
      c->range.low = fminf(c->range.low, value[k]);
      c->range.high = fmaxf(c->range.high, value[k]);
      c->mean += (double)value[k];
    }
  }
}

/* The channels' means, and what their extremes and means become with the weights that int8 gets. */
static wk_status settle_channels(measure *m, wk_error *err) {
  for (int i = 0; i < m->n->layers; i++) {
    const size_t channels = (size_t)m->n->layer[i].to.channels, pixels = values_of(m, i) / channels;
    for (size_t c = 0; c < channels; c++)
      m->channel[i][c].mean /= (double)(pixels * m->seen);
  }
  WK_RETURN_IF_ERROR(wk_net_prepare_int8(m->n, m->channel, err));
  for (int i = 0; i < m->n->layers; i++) {
    m->range[i] = m->channel[i][0].range;
    for (int c = 1; c < m->n->layer[i].to.channels; c++) {
      m->range[i].low = fminf(m->range[i].low, m->channel[i][c].range.low);
      m->range[i].high = fmaxf(m->range[i].high, m->channel[i][c].range.high);
    }
  }
  return WK_OK;
}

static void see_values(measure *m) {
  for (int i = 0; i < m->n->layers; i++) {
    const float *value = wk_exec_output(m->batch.exec, i);
    const size_t count = values_of(m, i), channels = (size_t)m->n->layer[i].to.channels;
    const wk_net_range r = m->range[i];
    const float width = r.high - r.low, factor = width > 0 ? (float)BINS / width : 0;
    for (size_t k = 0; k < count; k++) {
      const float at = (value[k] * m->channel[i][k % channels].factor - r.low) * factor;
      const int bin = at > 0 ? (int)fminf(at, BINS - 1) : 0; /* of what is no number, too */
      m->bins[(size_t)i * BINS + (size_t)bin]++;
    }
  }
}

/* The squared error of 8 bits over `cut`, of values whose numbers are in `bins` over `all`. */
static double error_of(const uint32_t *bins, wk_net_range all, wk_net_range cut) {
  const double width = ((double)all.high - (double)all.low) / BINS, low = fmin((double)cut.low, 0),
               high = fmax((double)cut.high, 0), step = (high - low) / 255;
  double sum = 0;
  for (int i = 0; i < BINS; i++) {
    const double value = (double)all.low + (i + 0.5) * width, beyond = fmax(fmax(low - value, value - high), 0);
    sum += bins[i] * (beyond > 0 ? beyond * beyond : step * step / 12);
  }
  return sum;
}

static wk_net_range best_range(const uint32_t *bins, wk_net_range all) {
  wk_net_range best = all;
  double least = error_of(bins, all, all);
  for (int i = CUTS - 1; i > 0; i--) {
    const float share = (float)i / CUTS;
    const wk_net_range cuts[3] = {
        {all.low * share, all.high * share}, {all.low, all.high * share}, {all.low * share, all.high}};
    for (int k = 0; k < 3; k++) {
      const double error = error_of(bins, all, cuts[k]);
      if (error < least) {
        least = error;
        best = cuts[k];
      }
    }
  }
  return best;
}

/* Photos that cannot be read are passed over. */
static wk_status look_at(measure *m, const char *path, wk_error *err) {
  wk_error reason;
  const float *first;
  WK_RETURN_IF_ERROR(wk_photo_batch_begin(&m->batch, &m->n->preprocess, 1, err));
  wk_status st = wk_photo_batch_add(&m->batch, NULL, path, &m->n->preprocess, NULL, &reason);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s: %s", path, reason.message);
  if (st != WK_OK)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_photo_batch_run(&first, &m->batch, m->plan, err));
  if (m->bins)
    see_values(m);
  else
    see_extremes(m);
  m->seen++;
  return WK_OK;
}

static wk_status look_at_all(measure *m, const wk_export_job *job, wk_progress *progress, const wk_context *ctx,
                             wk_error *err) {
  m->seen = 0;
  for (size_t i = 0; i < job->o->photo_count; i++) {
    if (wk_cancelled(ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "cancelled");
    WK_RETURN_IF_ERROR(look_at(m, job->o->photos[i], err));
    wk_progress_add(progress, 1);
  }
  if (!m->seen)
    return WK_FAIL(err, WK_ERR_FORMAT, "none of %zu photos could be read: the ranges of int8 are not known",
                   job->o->photo_count);
  return WK_OK;
}

static wk_status make_channels(measure *m, wk_error *err) {
  m->channel = wk_net_alloc(m->n, (size_t)m->n->layers, sizeof *m->channel);
  if (!m->channel)
    return wk_export_no_memory(err);
  for (int i = 0; i < m->n->layers; i++) {
    const int channels = m->n->layer[i].to.channels;
    m->channel[i] = wk_net_alloc(m->n, (size_t)channels, sizeof **m->channel);
    if (!m->channel[i])
      return wk_export_no_memory(err);
    for (int c = 0; c < channels; c++)
      m->channel[i][c] = (wk_net_channel){.range = {FLT_MAX, -FLT_MAX}, .factor = 1};
  }
  return WK_OK;
}

wk_status wk_net_measure(const wk_net_range **out, const wk_export_job *job, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_net *n = job->net;
  measure m = {.n = n};
  wk_tensors *weights = NULL;
  wk_progress progress = {0};
  uint32_t *bins = NULL;
  m.range = wk_net_alloc(n, (size_t)n->layers, sizeof *m.range);
  m.output = wk_net_alloc(n, (size_t)n->layers, sizeof *m.output);
  WK_FAIL_IF(!m.range || !m.output, err, WK_ERR_MEMORY, "out of memory for an export");
  for (int i = 0; i < n->layers; i++)
    m.output[i] = n->layer[i].node;
  WK_TRY(make_channels(&m, err));
  WK_TRY(wk_net_weights(&weights, job, err));
  WK_TRY(make_plan(&m, weights, ctx, err));
  WK_TRY(wk_progress_begin(&progress, ctx, "ranges", 2 * job->o->photo_count, err));
  WK_TRY(look_at_all(&m, job, &progress, ctx, err));
  WK_TRY(settle_channels(&m, err));
  bins = wk_calloc((size_t)n->layers, BINS * sizeof *bins);
  WK_FAIL_IF(!bins, err, WK_ERR_MEMORY, "out of memory for an export");
  m.bins = bins;
  WK_TRY(look_at_all(&m, job, &progress, ctx, err));
  for (int i = 0; i < n->layers; i++)
    m.range[i] = best_range(bins + (size_t)i * BINS, m.range[i]);
  *out = m.range;
done:
  wk_progress_end(&progress);
  wk_photo_batch_free(&m.batch);
  wk_plan_free(m.plan);
  wk_tensors_free(weights);
  wk_free(bins);
  return st;
}
