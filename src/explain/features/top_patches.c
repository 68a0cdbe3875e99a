/* top_patches.c - the places of many photos that excite channels most. Each worker keeps the best few of every
 * channel; which photo is better does not depend on who saw it, so neither does the result. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/data.h"
#include "whisker/filters.h"

enum { BATCH = 4 };

typedef struct search {
  const wk_backbone *b;
  const char *const *path;
  size_t photos;
  const wk_context *ctx;
  wk_shape shape;
  int most;
  wk_exec **exec;
  wk_top_patch *best; /* [workers, channels, most], value -INFINITY where empty */
  size_t stride;      /* of a worker's */
  uint8_t *rgb;       /* [workers, BATCH, n] */
  size_t n;
  int *readable; /* [workers] */
  wk_progress progress;
} search;

static bool better(const wk_top_patch *a, const wk_top_patch *b) {
  return a->value > b->value || (a->value == b->value && a->photo < b->photo);
}

static void keep(wk_top_patch *best, int most, wk_top_patch patch) {
  for (int i = 0; i < most; i++)
    if (better(&patch, &best[i])) {
      wk_top_patch out = best[i];
      best[i] = patch;
      patch = out;
    }
}

/* The largest value of every channel of one photo's activations. */
static void look_through(search *s, wk_top_patch *best, const float *a, size_t photo) {
  const int channels = s->shape.channels, positions = s->shape.height * s->shape.width;
  for (int c = 0; c < channels; c++) {
    int at = 0;
    for (int i = 1; i < positions; i++)
      if (a[(size_t)i * (size_t)channels + (size_t)c] > a[(size_t)at * (size_t)channels + (size_t)c])
        at = i;
    const wk_top_patch p = {photo, a[(size_t)at * (size_t)channels + (size_t)c], at / s->shape.width,
                            at % s->shape.width};
    keep(best + (size_t)c * (size_t)s->most, s->most, p);
  }
}

static wk_status read_input(uint8_t *rgb, const char *path, const wk_preprocess *p, wk_error *err) {
  wk_file_view file;
  WK_RETURN_IF_ERROR(wk_file_map(&file, path, err));
  wk_status st = wk_preprocess_bytes(rgb, file.data, file.size, p, err);
  wk_file_unmap(&file);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

static wk_status one_batch(void *user, size_t index, int worker, wk_error *err) {
  search *s = user;
  uint8_t *rgb = s->rgb + (size_t)worker * BATCH * s->n;
  size_t photo[BATCH];
  int count = 0;
  for (size_t i = index * BATCH; i < (index + 1) * BATCH && i < s->photos; i++) {
    wk_error why;
    wk_status st = read_input(rgb + (size_t)count * s->n, s->path[i], &s->b->preprocess, &why);
    if (st == WK_ERR_MEMORY || st == WK_ERR_CANCELLED)
      return WK_FAIL(err, st, "%s", why.message);
    if (st == WK_OK)
      photo[count++] = i;
    else
      wk_warn(s->ctx, "%s", why.message);
    wk_progress_add(&s->progress, 1);
  }
  if (!count)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_exec_run_pixels(s->exec[worker], rgb, count, err));
  const float *a = wk_exec_output(s->exec[worker], 0);
  const size_t each = (size_t)s->shape.height * (size_t)s->shape.width * (size_t)s->shape.channels;
  for (int k = 0; k < count; k++)
    look_through(s, s->best + (size_t)worker * s->stride, a + (size_t)k * each, photo[k]);
  s->readable[worker] += count;
  return WK_OK;
}

static wk_status run(search *s, wk_top_patch **out, int *found, int workers, const wk_plan *plan, wk_error *err) {
  wk_status st = WK_OK;
  s->stride = (size_t)s->shape.channels * (size_t)s->most;
  s->exec = wk_calloc((size_t)workers, sizeof *s->exec);
  s->best = wk_calloc((size_t)workers * s->stride, sizeof *s->best);
  s->rgb = wk_alloc_array((size_t)workers * BATCH, s->n);
  s->readable = wk_calloc((size_t)workers, sizeof *s->readable);
  WK_FAIL_IF(!s->exec || !s->best || !s->rgb || !s->readable, err, WK_ERR_MEMORY,
             "out of memory for the places of %d channels", s->shape.channels);
  for (size_t i = 0; i < (size_t)workers * s->stride; i++)
    s->best[i] = (wk_top_patch){SIZE_MAX, -INFINITY, 0, 0};
  for (int i = 0; i < workers; i++)
    WK_TRY(wk_exec_create(&s->exec[i], plan, err));
  WK_TRY(wk_progress_begin(&s->progress, s->ctx, "looking", s->photos, err));
  WK_TRY(wk_parallel(s->ctx, workers, (s->photos + BATCH - 1) / BATCH, one_batch, s, err));
  int readable = s->readable[0];
  for (int w = 1; w < workers; w++) {
    readable += s->readable[w];
    for (size_t i = 0; i < s->stride; i++)
      keep(s->best + i / (size_t)s->most * (size_t)s->most, s->most, s->best[(size_t)w * s->stride + i]);
  }
  WK_FAIL_IF(!readable, err, WK_ERR_FORMAT, "none of the %zu photos could be read", s->photos);
  *found = readable < s->most ? readable : s->most;
  *out = s->best;
  s->best = NULL;
done:
  wk_progress_end(&s->progress);
  for (int i = 0; s->exec && i < workers; i++)
    wk_exec_free(s->exec[i]);
  wk_free(s->exec);
  wk_free(s->best);
  wk_free(s->rgb);
  wk_free(s->readable);
  return st;
}

wk_status wk_top_patches_find(wk_top_patch **out, int *found, const wk_backbone *b, wk_node layer, int most,
                              const char *const *path, size_t photos, const wk_context *ctx, wk_error *err) {
  if (most < 1 || photos < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "at least one photo and one place a channel are needed");
  wk_plan *plan = NULL;
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.batch = BATCH;
  o.output = &layer;
  o.outputs = 1;
  WK_RETURN_IF_ERROR(wk_backbone_plan(&plan, b, &o, err));
  search s = {.b = b, .path = path, .photos = photos, .ctx = ctx, .most = most, .shape = wk_plan_output_shape(plan, 0)};
  s.n = (size_t)b->preprocess.height * (size_t)b->preprocess.width * 3;
  const size_t batches = (photos + BATCH - 1) / BATCH;
  int workers = wk_context_threads(ctx);
  workers = (size_t)workers < batches ? workers : (int)batches;
  wk_status st = run(&s, out, found, workers, plan, err);
  wk_plan_free(plan);
  return st;
}

/* ---- cutting it out ---------------------------------------------------------------------------- */

static double clamp(double v, double most) { return v < 0 ? 0 : v > most ? most : v; }

/* Where a box of the input (x0, y0, x1, y1) lies in the photo, within what there is of it. */
static void to_photo(double out[4], const double in[4], const wk_image *photo, const wk_preprocess *p) {
  double box[4];
  wk_preprocess_box(box, photo->width, photo->height, p);
  for (int k = 0; k < 4; k++) {
    const double size = k & 1 ? p->height : p->width, from = box[k & 1], to = box[2 + (k & 1)];
    out[k] = clamp(from + clamp(in[k], size) / size * (to - from), k & 1 ? photo->height : photo->width);
  }
}

wk_status wk_top_patch_crop(wk_image *out, const wk_top_patch *patch, const char *path, const wk_backbone *b,
                            wk_node layer, int side, wk_error *err) {
  static const uint8_t white[3] = {255, 255, 255}, black[3] = {0, 0, 0};
  const wk_preprocess *p = &b->preprocess;
  wk_receptive_field f;
  wk_node_info info;
  wk_image photo;
  WK_RETURN_IF_ERROR(wk_layer_receptive_field(&f, b->graph, layer, p->height, p->width, err));
  WK_RETURN_IF_ERROR(wk_graph_node(&info, b->graph, layer, p->height, p->width, err));
  WK_RETURN_IF_ERROR(wk_photo_load(&photo, path, NULL, err));
  const double left = f.left + patch->column * f.step_x, top = f.top + patch->row * f.step_y;
  double sees[4] = {left, top, left + f.width, top + f.height}, box[4], spot[4];
  const bool whole = f.whole || (f.width >= p->width && f.height >= p->height);
  if (whole)
    memcpy(sees, (double[4]){0, 0, p->width, p->height}, sizeof sees);
  to_photo(box, sees, &photo, p);
  const double w = box[2] - box[0], h = box[3] - box[1], scale = side / (w > h ? w : h);
  const int width = (int)(w * scale + 0.5), height = (int)(h * scale + 0.5);
  wk_status st = w > 0 && h > 0 ? wk_image_resize(out, &photo, width > 0 ? width : 1, height > 0 ? height : 1,
                                                  WK_FILTER_BICUBIC, box, err)
                                : wk_image_alloc(out, side, side, err); /* it sees padding alone */
  if (st == WK_OK && !f.whole && info.shape.width > 1 && f.width > p->width / 2) {
    /* Position and neighbours by the layer's grid: what lies in the middle of a large field counts most. */
    const double x = (double)p->width / info.shape.width, y = (double)p->height / info.shape.height;
    to_photo(spot,
             (double[4]){(patch->column - 1) * x, (patch->row - 1) * y, (patch->column + 2) * x, (patch->row + 2) * y},
             &photo, p);
    const int sx = (int)((spot[0] - box[0]) * scale), sy = (int)((spot[1] - box[1]) * scale);
    const int sw = (int)((spot[2] - spot[0]) * scale), sh = (int)((spot[3] - spot[1]) * scale);
    wk_draw_frame(out, sx - 1, sy - 1, sw + 2, sh + 2, 3, black);
    wk_draw_frame(out, sx, sy, sw, sh, 1, white);
  }
  wk_image_free(&photo);
  return st;
}
