/* frozen_extractor.c - photos through augmentation and the frozen layers: what is computed again for each epoch, or
 * once for each fixed view. Every worker reads, decodes and runs a few photos on its own. */
#include <string.h>

#include "data/photo_batch.h"
#include "train/finetune/finetune_parts.h"

#define BATCH 4

struct wk_frozen_extractor {
  const wk_backbone *b;
  const wk_finetune_data *data;
  const wk_augment *augment;
  uint64_t seed;
  size_t pixels;          /* values of the network's input */
  size_t columns;         /* values that come out */
  wk_plan *plan;          /* NULL: nothing is frozen */
  wk_photo_batch *worker; /* [threads] */
  int threads;
};

void wk_frozen_extractor_free(wk_frozen_extractor *f) {
  if (!f)
    return;
  for (int i = 0; f->worker && i < f->threads; i++)
    wk_photo_batch_free(&f->worker[i]);
  wk_free(f->worker);
  wk_plan_free(f->plan);
  wk_free(f);
}

wk_status wk_frozen_extractor_create(wk_frozen_extractor **out, const wk_backbone *b, const char *layer,
                                     const wk_finetune_data *data, const wk_augment *augment, uint64_t seed,
                                     const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_frozen_extractor *f = wk_calloc(1, sizeof *f);
  if (!f)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  *f =
      (wk_frozen_extractor){.b = b, .data = data, .augment = augment, .seed = seed, .threads = wk_context_threads(ctx)};
  f->pixels = f->columns = (size_t)b->preprocess.height * (size_t)b->preprocess.width * 3;
  f->worker = wk_calloc((size_t)f->threads, sizeof *f->worker);
  WK_FAIL_IF(!f->worker, err, WK_ERR_MEMORY, "out of memory for %d threads", f->threads);
  if (layer) {
    wk_node node = wk_graph_find(b->graph, layer);
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.batch = BATCH;
    o.output = &node;
    o.outputs = 1;
    WK_TRY(wk_backbone_plan(&f->plan, b, &o, err));
    wk_shape s = wk_plan_output_shape(f->plan, 0);
    f->columns = (size_t)s.height * (size_t)s.width * (size_t)s.channels;
  }
  *out = f;
  f = NULL;
done:
  wk_frozen_extractor_free(f);
  return st;
}

/* The pixels that the network sees of one view, at `to` or at the batch's end. View 0 is the photo itself where views
 * are fixed. */
static wk_status add_view(const wk_frozen_extractor *f, wk_photo_batch *w, uint8_t *to, const wk_augmented_view *v,
                          wk_error *err) {
  const wk_photo_change change = {f->augment, {f->seed, v->epoch, v->photo, v->view}};
  const char *path = f->data->paths[v->photo];
  wk_status st = wk_photo_batch_add(w, to, path, &f->b->preprocess, v->plain ? NULL : &change, err);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

typedef struct front_job {
  wk_frozen_extractor *f;
  const wk_augmented_view *view;
  size_t count;
  float *to;
  uint8_t *rgb;
  wk_progress *progress;
} front_job;

static wk_status front_block(void *user, size_t index, int worker, wk_error *err) {
  const front_job *j = user;
  wk_frozen_extractor *f = j->f;
  wk_photo_batch *w = &f->worker[worker];
  size_t first = index * BATCH, n = j->count - first < BATCH ? j->count - first : BATCH;
  WK_RETURN_IF_ERROR(wk_photo_batch_begin(w, &f->b->preprocess, BATCH, err));
  for (size_t i = 0; i < n; i++)
    WK_RETURN_IF_ERROR(add_view(f, w, j->rgb ? j->rgb + (first + i) * f->pixels : NULL, &j->view[first + i], err));
  if (f->plan && !j->rgb) {
    const float *rows;
    WK_RETURN_IF_ERROR(wk_photo_batch_run(&rows, w, f->plan, err));
    memcpy(j->to + first * f->columns, rows, n * f->columns * sizeof *j->to);
  } else if (!j->rgb) {
    for (size_t i = 0; i < n; i++)
      wk_preprocess_normalise(j->to + (first + i) * f->pixels, w->rgb + i * f->pixels, &f->b->preprocess);
  }
  if (j->progress)
    wk_progress_add(j->progress, n);
  return WK_OK;
}

static wk_status run(front_job *j, const wk_context *ctx, wk_error *err) {
  return wk_parallel(ctx, j->f->threads, (j->count + BATCH - 1) / BATCH, front_block, j, err);
}

wk_status wk_frozen_extractor_run(float *to, wk_frozen_extractor *f, const wk_augmented_view *view, size_t count,
                                  wk_progress *progress, const wk_context *ctx, wk_error *err) {
  front_job j = {.f = f, .view = view, .count = count, .to = to, .progress = progress};
  return run(&j, ctx, err);
}

wk_status wk_frozen_extractor_pixels(uint8_t *to, wk_frozen_extractor *f, const wk_augmented_view *view, size_t count,
                                     wk_progress *progress, const wk_context *ctx, wk_error *err) {
  front_job j = {.f = f, .view = view, .count = count, .rgb = to, .progress = progress};
  return run(&j, ctx, err);
}

/* ---- which photos can be read at all ----------------------------------------------------------- */

typedef struct reading {
  wk_frozen_extractor *f;
  bool *usable;
  const wk_context *ctx;
  wk_progress progress;
} reading;

static wk_status read_job(void *user, size_t photo, int worker, wk_error *err) {
  reading *r = user;
  wk_photo_batch *w = &r->f->worker[worker];
  wk_error reason = {0};
  WK_RETURN_IF_ERROR(wk_photo_batch_begin(w, &r->f->b->preprocess, BATCH, err));
  wk_augmented_view v = {.photo = (uint32_t)photo, .plain = true};
  wk_status st = add_view(r->f, w, NULL, &v, &reason);
  r->usable[photo] = st == WK_OK;
  wk_progress_add(&r->progress, 1);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s", reason.message);
  if (st != WK_OK)
    wk_warn(r->ctx, "%s", reason.message);
  return WK_OK;
}

wk_status wk_finetune_readable(bool *usable, const wk_backbone *b, const wk_finetune_data *data, const wk_context *ctx,
                               wk_error *err) {
  wk_status st = WK_OK;
  reading r = {.usable = usable, .ctx = ctx};
  WK_TRY(wk_frozen_extractor_create(&r.f, b, NULL, data, NULL, 0, ctx, err));
  WK_TRY(wk_progress_begin(&r.progress, ctx, "photos", data->photo_count, err));
  WK_TRY(wk_parallel(ctx, 0, data->photo_count, read_job, &r, err));
done:
  wk_progress_end(&r.progress);
  wk_frozen_extractor_free(r.f);
  return st;
}
