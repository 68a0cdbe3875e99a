/* epoch_input.c - what every epoch starts from: activations of the last frozen layer, or the network's own input as
 * 8-bit pixels (a quarter of the size, and exact). Computed once; in memory while they fit, else in a file that has no
 * name and goes away by itself. With augmentation that is new in each epoch nothing can be kept: photos are read again.
 */
#include <string.h>

#include "train/finetune/finetune_parts.h"

#define CHUNK 256 /* rows at a time on their way to a file */
#define GATHER_BLOCK 4

/* ---- where it is kept -------------------------------------------------------------------------- */

/* Room for `bytes`: memory, or a mapped file. */
static wk_status make_room(void **room, size_t *mapped, uint64_t bytes, const wk_finetune_input_options *o,
                           wk_error *err) {
  if (bytes <= o->memory) {
    *room = wk_alloc(bytes);
    return *room ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %.1f GB of activations", (double)bytes / 1e9);
  }
  if (!o->scratch)
    return WK_FAIL(
        err, WK_ERR_MEMORY,
        "the activations before the first layer that trains take %.1f GB, and %.1f GB may be used: tune fewer "
        "layers, or give a folder to keep them in",
        (double)bytes / 1e9, (double)o->memory / 1e9);
  WK_RETURN_IF_ERROR(wk_scratch_map(room, o->scratch, bytes, "activations", err));
  *mapped = bytes;
  return WK_OK;
}

void wk_finetune_input_free(wk_finetune_input *in) {
  void *room = in->row ? (void *)in->row : in->pixels;
  if (in->mapped)
    wk_scratch_unmap(room, in->mapped);
  else
    wk_free(room);
  wk_frozen_extractor_free(in->front);
  *in = (wk_finetune_input){0};
}

/* ---- filling it -------------------------------------------------------------------------------- */

/* Plain activations: the pipeline of features, which reads ahead. */
static wk_status load_plain(wk_finetune_input *in, const wk_backbone *b, const wk_finetune_data *data,
                            const char *layer, const wk_context *ctx, wk_error *err) {
  wk_features_options o;
  wk_features_options_init(&o);
  o.layer = layer;
  size_t step = in->mapped ? CHUNK : data->photo_count;
  for (size_t at = 0; at < data->photo_count; at += step) {
    size_t n = data->photo_count - at < step ? data->photo_count - at : step;
    wk_features *f = NULL;
    WK_RETURN_IF_ERROR(wk_features_compute(&f, b, data->paths + at, n, &o, ctx, err));
    bool whole = f->rows == n;
    if (whole)
      memcpy(in->row + at * in->columns, f->row, n * in->columns * sizeof *in->row);
    wk_features_free(f);
    if (!whole)
      return WK_FAIL(err, WK_ERR_IO, "a photo that could be read a moment ago no longer can");
  }
  return WK_OK;
}

/* Views of each photo, side by side; the first is the photo itself. */
static wk_status load_views(wk_finetune_input *in, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t views = (size_t)in->views, rows = in->rows * views;
  wk_progress progress = {0};
  wk_augmented_view *view = wk_alloc_array(CHUNK, sizeof *view);
  WK_FAIL_IF(!view, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_progress_begin(&progress, ctx, "features", rows, err));
  for (size_t at = 0; at < rows; at += CHUNK) {
    size_t n = rows - at < CHUNK ? rows - at : CHUNK;
    for (size_t i = 0; i < n; i++) {
      size_t row = at + i;
      view[i] = (wk_augmented_view){.photo = (uint32_t)(row / views), .view = row % views, .plain = row % views == 0};
    }
    WK_TRY(in->row
               ? wk_frozen_extractor_run(in->row + at * in->columns, in->front, view, n, &progress, ctx, err)
               : wk_frozen_extractor_pixels(in->pixels + at * in->columns, in->front, view, n, &progress, ctx, err));
  }
done:
  wk_progress_end(&progress);
  wk_free(view);
  return st;
}

static wk_status columns_of(size_t *columns, const wk_backbone *b, const char *layer, wk_error *err) {
  wk_node_info info;
  wk_node node = layer ? wk_graph_find(b->graph, layer) : 0;
  WK_RETURN_IF_ERROR(wk_graph_node(&info, b->graph, node, b->preprocess.height, b->preprocess.width, err));
  *columns = (size_t)info.shape.height * (size_t)info.shape.width * (size_t)info.shape.channels;
  return WK_OK;
}

wk_status wk_finetune_input_load(wk_finetune_input *out, const wk_backbone *b, const wk_finetune_data *data,
                                 const wk_finetune_input_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_finetune_input in = {.rows = data->photo_count,
                          .label = data->labels,
                          .preprocess = &b->preprocess,
                          .seed = ctx ? ctx->seed : 42,
                          .views = o->augment && o->views < 1 ? 0
                                   : o->augment               ? o->views
                                                              : 1};
  void *room = NULL;
  size_t bytes;
  WK_TRY(columns_of(&in.columns, b, o->layer, err));
  bool front = in.views != 1 || !o->layer;
  if (front)
    WK_TRY(wk_frozen_extractor_create(&in.front, b, o->layer, data, o->augment, in.seed, ctx, err));
  if (!in.views)
    goto loaded;
  size_t each = in.columns * (o->layer ? sizeof *in.row : sizeof *in.pixels);
  bool overflow = wk_mul_overflow(&bytes, data->photo_count, each) || wk_mul_overflow(&bytes, bytes, (size_t)in.views);
  WK_FAIL_IF(overflow, err, WK_ERR_MEMORY, "out of memory for %zu photos", data->photo_count);
  WK_TRY(make_room(&room, &in.mapped, bytes, o, err));
  in.bytes = bytes;
  if (o->layer)
    in.row = room;
  else
    in.pixels = room;
  WK_TRY(front ? load_views(&in, ctx, err) : load_plain(&in, b, data, o->layer, ctx, err));
  wk_frozen_extractor_free(in.front); /* its work is done */
  in.front = NULL;
loaded:
  *out = in;
  in = (wk_finetune_input){0};
done:
  wk_finetune_input_free(&in);
  return st;
}

/* ---- batches ----------------------------------------------------------------------------------- */

typedef struct gathering {
  float *to;
  const wk_finetune_input *in;
  const uint32_t *photo;
  int count;
  uint64_t epoch;
} gathering;

/* Each photo goes through its views from a random first one on, so an epoch has some of each. */
static size_t view_of(const wk_finetune_input *in, uint32_t photo, uint64_t epoch) {
  wk_rng rng;
  if (in->views < 2)
    return 0;
  wk_rng_init(&rng, in->seed, 0x7669657700000000u + photo);
  return (size_t)((wk_rng_u32(&rng) + epoch) % (uint64_t)in->views);
}

static wk_status gather_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  const gathering *g = user;
  const wk_finetune_input *in = g->in;
  int first = (int)index * GATHER_BLOCK, last = first + GATHER_BLOCK < g->count ? first + GATHER_BLOCK : g->count;
  for (int i = first; i < last; i++) {
    float *to = g->to + (size_t)i * in->columns;
    size_t row = g->photo[i] * (size_t)in->views + view_of(in, g->photo[i], g->epoch), from = row * in->columns;
    if (in->row)
      memcpy(to, in->row + from, in->columns * sizeof *to);
    else
      wk_preprocess_normalise(to, in->pixels + from, in->preprocess);
  }
  return WK_OK;
}

wk_status wk_finetune_input_gather(float *to, const wk_finetune_input *in, const uint32_t *photo, int count,
                                   uint64_t epoch, const wk_context *ctx, wk_error *err) {
  gathering g = {to, in, photo, count, epoch};
  if (in->views)
    return wk_parallel(ctx, 0, ((size_t)count + GATHER_BLOCK - 1) / GATHER_BLOCK, gather_job, &g, err);
  wk_augmented_view *view = wk_alloc_array((size_t)count, sizeof *view);
  if (!view)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a batch of %d photos", count);
  for (int i = 0; i < count; i++)
    view[i] = (wk_augmented_view){.photo = photo[i], .epoch = epoch};
  wk_status st = wk_frozen_extractor_run(to, in->front, view, (size_t)count, NULL, ctx, err);
  wk_free(view);
  return st;
}
