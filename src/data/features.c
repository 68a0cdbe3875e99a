/* features.c - photos to rows of features, each computed once.
 *
 * Photos are taken a window at a time: first every file of it is read and hashed, and what the cache holds is taken
 * from there; then the missing ones are decoded and sent through the network in batches. So batches are full however
 * the hits fall, and which rows are computed does not depend on how threads happen to meet. The second reading comes
 * from the system's memory. Nothing of the network is prepared before the first photo that needs it.
 */
#include <pthread.h>
#include <string.h>

#include "data/photo_batch.h"
#include "whisker/clock.h"
#include "zoo/zoo.h"

/* Raise this when the same photo, weights, preprocessing and layer no longer give the same row. */
#define FEATURES_VERSION 2
#define WINDOW 1024
#define AHEAD_MAX 8 /* files a worker lets the system fetch at once */

typedef enum found { FOUND_MISSING = 0, FOUND_ROW, FOUND_BROKEN } found;

typedef struct job {
  const wk_backbone *b;
  const char *const *path;
  const char *const *name;                  /* for warnings; NULL: path */
  const uint8_t (*sha256)[WK_SHA256_BYTES]; /* of the photos' bytes; NULL: not known */
  const wk_context *ctx;
  wk_features *f; /* rows at their photos' places until the end */
  wk_cache *cache;
  bool keeps; /* the cache has a file */

  wk_node node;
  int batch, threads, ahead;
  pthread_mutex_t mutex;
  wk_plan *plan; /* made by the first who needs it, under the mutex */
  int plan_threads;
  wk_photo_batch *worker; /* [threads] */
  wk_progress progress;

  /* The window. */
  size_t begin, count;
  uint8_t hash[WINDOW][WK_SHA256_BYTES];
  uint8_t found[WINDOW];
  char *why[WINDOW]; /* of the broken ones; NULL if even that could not be allocated */
  uint16_t missing[WINDOW];
  size_t missing_count, share; /* share: photos a compute job */
} job;

static const wk_option option_rows[] = {
    {.name = "cache-folder",
     WK_ROW_TEXT(wk_features_options, cache_folder),
     .flags = WK_OPTION_NO_FLAG,
     .help = "folder of cached features"},
    {.name = "layer",
     WK_ROW_TEXT(wk_features_options, layer),
     .placeholder = "NAME",
     .help = "layer whose flattened output is taken, instead of the pooled features"},
    {.name = "batch-size",
     WK_ROW_INT(wk_features_options, batch),
     .value = 8,
     .min = 1,
     .max = 65536,
     .flags = WK_OPTION_NO_FLAG,
     .help = "photos in each call of the network"},
    {.name = "memory",
     WK_ROW_SIZE(wk_features_options, memory),
     .value = 16 << 20,
     .min = 0,
     .max = INFINITY,
     .unit = 1 << 20,
     .flags = WK_OPTION_NO_FLAG,
     .help = "memory for features, in MB; beyond it they lie in a file"},
    {.name = "scratch-folder",
     WK_ROW_TEXT(wk_features_options, scratch_folder),
     .flags = WK_OPTION_NO_FLAG,
     .help = "folder of that file"},
    {0}};
const wk_option_table wk_features_table = {"features_options", sizeof(wk_features_options), option_rows, NULL};
const wk_option_table *wk_features_options_table(void) { return &wk_features_table; }

void wk_features_options_init(wk_features_options *o) { wk_options_init(o, &wk_features_table); }

void wk_features_free(wk_features *f) {
  if (!f)
    return;
  if (f->mapped)
    wk_scratch_unmap(f->row, f->mapped);
  else
    wk_free(f->row);
  wk_free(f->usable);
  wk_free(f->index);
  wk_free(f);
}

void wk_features_rest(const wk_features *f, size_t first, size_t last) {
  if (f->mapped)
    wk_scratch_release_pages(f->row + first * (size_t)f->columns, f->row + last * (size_t)f->columns);
}

/* ---- which node, which key -------------------------------------------------------------------- */

static wk_status no_such_layer(const wk_graph *g, const char *layer, wk_error *err) {
  const char *best = NULL;
  int distance = 0;
  for (wk_node i = 0; i < wk_graph_size(g); i++) {
    wk_node_info info;
    if (wk_graph_node(&info, g, i, 0, 0, NULL) != WK_OK)
      continue;
    int d = wk_edit_distance(layer, info.name);
    if (!best || d < distance)
      best = info.name, distance = d;
  }
  return WK_FAIL(err, WK_ERR_NOT_FOUND, "layer \"%s\": this network has no such layer%s%s%s", layer,
                 best ? "; the nearest name is \"" : "", best ? best : "", best ? "\"" : "");
}

static wk_status find_layer(job *j, wk_node_info *info, const char *layer, wk_error *err) {
  const wk_graph *g = j->b->graph;
  const wk_preprocess *p = &j->b->preprocess;
  if (!layer)
    j->node = wk_graph_features(g);
  else if (strcmp(layer, "logits") == 0)
    j->node = wk_graph_logits(g);
  else
    j->node = wk_graph_find(g, layer);
  if (j->node < 0 && layer && strcmp(layer, "logits") == 0)
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "layer \"logits\": these weights have no classifier, only features");
  if (j->node < 0)
    return no_such_layer(g, layer ? layer : "features", err);
  return wk_graph_node(info, g, j->node, p->height, p->width, err);
}

wk_status wk_features_key(uint8_t key[WK_SHA256_BYTES], const wk_backbone *b, wk_node node, const char *layer,
                          wk_isa isa, wk_error *err) {
  const wk_preprocess *p = &b->preprocess;
  static const char *const filter[] = {"bilinear", "bicubic", "nearest"};
  uint8_t hash[WK_SHA256_BYTES];
  char weights[2 * sizeof hash + 1];
  /* The backbone's hash covers what the features depend on; any other layer has weights of its own. */
  if (node == wk_graph_features(b->graph))
    WK_RETURN_IF_ERROR(wk_backbone_hash(hash, b, err));
  else
    WK_RETURN_IF_ERROR(wk_weights_hash(hash, b->graph, b->weights, node, err));
  wk_hex(weights, hash, sizeof hash);
  static const char *const crop[] = {"centre", "squash", "keep"};
  wk_text t = {0};
  wk_text_add(&t, "whisker features %d\nnetwork %s\nweights %s\nlayer %s\n", FEATURES_VERSION,
              b->arch ? b->arch->name : "", weights, layer);
  wk_text_add(&t, "processor %s\n", wk_isa_name(isa));
  if (b->precision != WK_PRECISION_FLOAT32) {
    wk_text_add(&t, "precision %s\n", wk_precision_name(b->precision));
    if (b->ranges) {
      wk_tensors_sha256(hash, b->ranges);
      wk_hex(weights, hash, sizeof hash);
      wk_text_add(&t, "ranges %s\n", weights);
    }
  }
  wk_text_add(&t, "input %dx%d %s %d %s %s\n", p->width, p->height, crop[p->rule],
              p->rule == WK_CROP_SQUASH ? 0 : p->resize, filter[p->filter],
              p->grey  ? "grey"
              : p->bgr ? "bgr"
                       : "rgb");
  if (p->srgb)
    wk_text_add(&t, "by the photo's colour profile\n");
  for (int i = 0; i < 3; i++)
    wk_text_add(&t, "%a %a\n", (double)p->mean[i], (double)p->std[i]);
  wk_status st = WK_OK;
  if (t.failed)
    st = WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the features");
  else
    wk_sha256(key, t.data, t.len);
  wk_text_free(&t);
  return st;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static float *row_of(const job *j, size_t photo) { return j->f->row + photo * (size_t)j->f->columns; }

/* A photo that cannot be used is no failure of the job; lack of memory is. */
static wk_status set_broken(job *j, size_t slot, wk_status why, const wk_error *reason, wk_error *err) {
  if (why == WK_ERR_MEMORY)
    return WK_FAIL(err, why, "%s: %s", j->path[j->begin + slot], reason->message);
  j->found[slot] = FOUND_BROKEN;
  j->why[slot] = wk_strdup(reason->message);
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

/* Opens `n` files so that the system begins to fetch all of them. What fails here is tried again when its turn comes:
 * there may only have been too many open at once. */
static void open_ahead(const job *j, wk_photo_file *file, const size_t *slot, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (wk_photo_open(&file[i], j->path[j->begin + slot[i]], NULL) != WK_OK)
      file[i].fd = -1;
}

static void close_all(wk_photo_file *file, size_t n) {
  for (size_t i = 0; i < n; i++)
    wk_photo_close(&file[i]);
}

/* What is kept of a photo whose bytes were hashed before: those that are computed after all are hashed again, for their
 * file may have changed meanwhile. */
static bool look_up_known(job *j, size_t slot) {
  static const uint8_t unknown[WK_SHA256_BYTES];
  const size_t photo = j->begin + slot;
  if (!j->sha256 || memcmp(j->sha256[photo], unknown, sizeof unknown) == 0)
    return false;
  if (wk_cache_get(j->cache, j->sha256[photo], row_of(j, photo))) {
    j->found[slot] = FOUND_ROW;
    wk_progress_add(&j->progress, 1);
  }
  return true;
}

/* First pass over a window: hashes, and rows that are kept. */
static wk_status look_up(void *user, size_t index, int w, wk_error *err) {
  job *j = user;
  wk_status st = WK_OK;
  wk_photo_file file[AHEAD_MAX];
  size_t slot[AHEAD_MAX] = {0}, n = 0;
  const size_t first = index * (size_t)j->ahead, last = first + (size_t)j->ahead;
  for (size_t i = first; i < last && i < j->count; i++)
    if (!look_up_known(j, i))
      slot[n++] = i;
  open_ahead(j, file, slot, n);
  for (size_t i = 0; i < n; i++) {
    wk_error reason = {0};
    wk_photo_batch *me = &j->worker[w];
    wk_status why = wk_photo_batch_read(me, &file[i], j->path[j->begin + slot[i]], &reason);
    if (why != WK_OK) {
      WK_TRY(set_broken(j, slot[i], why, &reason, err));
      continue;
    }
    wk_sha256(j->hash[slot[i]], me->file.data, me->file.size);
    if (wk_cache_get(j->cache, j->hash[slot[i]], row_of(j, j->begin + slot[i]))) {
      j->found[slot[i]] = FOUND_ROW;
      wk_progress_add(&j->progress, 1);
    }
  }
done:
  close_all(file, n);
  return st;
}

/* ---- computing -------------------------------------------------------------------------------- */

static wk_status ready_network(job *j, wk_error *err) {
  wk_status st = WK_OK;
  pthread_mutex_lock(&j->mutex);
  if (!j->plan) {
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.batch = j->batch;
    o.threads = j->plan_threads;
    o.output = &j->node;
    o.outputs = 1;
    o.precision = j->b->precision;
    o.ranges = j->b->ranges;
    st = wk_backbone_plan(&j->plan, j->b, &o, err);
  }
  pthread_mutex_unlock(&j->mutex);
  return st;
}

/* Second pass: one batch of what is missing. */
static wk_status compute(void *user, size_t index, int w, wk_error *err) {
  job *j = user;
  wk_photo_batch *me = &j->worker[w];
  const wk_preprocess *p = &j->b->preprocess;
  wk_status st = WK_OK;
  wk_photo_file file[AHEAD_MAX];
  size_t slot[AHEAD_MAX] = {0}, first = index * j->share, opened = 0;
  size_t last = first + j->share < j->missing_count ? first + j->share : j->missing_count;
  size_t in_batch[WINDOW];
  WK_TRY(wk_photo_batch_begin(me, p, j->batch, err));
  for (size_t i = first; i < last; i++) {
    size_t turn = (i - first) % (size_t)j->ahead;
    if (turn == 0) {
      for (opened = 0; opened < (size_t)j->ahead && i + opened < last; opened++)
        slot[opened] = j->missing[i + opened];
      open_ahead(j, file, slot, opened);
    }
    wk_error reason = {0};
    wk_status why = wk_photo_batch_read(me, &file[turn], j->path[j->begin + slot[turn]], &reason);
    if (why == WK_OK)
      why = wk_photo_batch_decode(me, NULL, p, NULL, &reason);
    if (why != WK_OK) {
      WK_TRY(set_broken(j, slot[turn], why, &reason, err));
      continue;
    }
    if (j->keeps && j->sha256)
      wk_sha256(j->hash[slot[turn]], me->file.data, me->file.size);
    in_batch[me->count - 1] = slot[turn];
    WK_FAIL_IF(wk_cancelled(j->ctx), err, WK_ERR_CANCELLED, "stopped");
  }
  if (!me->count)
    goto done;
  const float *rows;
  WK_TRY(ready_network(j, err));
  WK_TRY(wk_photo_batch_run(&rows, me, j->plan, err));
  for (size_t i = 0; i < (size_t)me->count; i++) {
    size_t columns = (size_t)j->f->columns;
    memcpy(row_of(j, j->begin + in_batch[i]), rows + i * columns, columns * sizeof *rows);
    j->found[in_batch[i]] = FOUND_ROW;
    if (j->keeps)
      wk_cache_put(j->cache, j->hash[in_batch[i]], rows + i * columns);
  }
  wk_progress_add(&j->progress, (size_t)me->count);
done:
  close_all(file, opened);
  return st;
}

/* ---- windows ---------------------------------------------------------------------------------- */

static size_t pieces(size_t count, size_t size) { return (count + size - 1) / size; }

/* How the missing photos of this window are dealt out. Only where they are fewer than the threads, and the last,
 * do all threads share one network. */
static int deal_out(job *j, bool last) {
  size_t n = j->missing_count, threads = (size_t)j->threads;
  bool share_layers = last && n < threads && !j->plan;
  if (!j->plan)
    j->plan_threads = share_layers ? j->threads : 1;
  bool alone = share_layers || j->plan_threads > 1;
  size_t fair = alone ? n : pieces(n, threads);
  j->share = fair < (size_t)j->batch ? fair : (size_t)j->batch;
  return alone ? 1 : j->threads;
}

static void clear_window(job *j) {
  for (size_t i = 0; i < j->count; i++) {
    wk_free(j->why[i]);
    j->why[i] = NULL;
  }
}

static wk_status run_window(job *j, bool last, wk_error *err) {
  wk_status st = WK_OK;
  memset(j->found, FOUND_MISSING, sizeof j->found);
  if (j->keeps)
    WK_TRY(wk_parallel(j->ctx, j->threads, pieces(j->count, (size_t)j->ahead), look_up, j, err));
  j->missing_count = 0;
  for (size_t i = 0; i < j->count; i++)
    if (j->found[i] == FOUND_MISSING)
      j->missing[j->missing_count++] = (uint16_t)i;
  if (j->missing_count) {
    int workers = deal_out(j, last);
    WK_TRY(wk_parallel(j->ctx, workers, pieces(j->missing_count, j->share), compute, j, err));
  }
  for (size_t i = 0; i < j->missing_count; i++)
    j->f->computed += j->found[j->missing[i]] == FOUND_ROW;
  for (size_t i = 0; i < j->count; i++) {
    j->f->usable[j->begin + i] = j->found[i] == FOUND_ROW;
    if (j->found[i] == FOUND_BROKEN) {
      j->f->broken++;
      wk_warn(j->ctx, "%s: %s", (j->name ? j->name : j->path)[j->begin + i], j->why[i] ? j->why[i] : "cannot be read");
    }
  }
  wk_features_rest(j->f, j->begin, j->begin + j->count);
done:
  clear_window(j);
  return st;
}

/* Closes the gaps that broken photos left. */
static void close_gaps(wk_features *f, size_t photos) {
  for (size_t i = 0; i < photos; i++) {
    if (!f->usable[i])
      continue;
    if (f->rows != i)
      memcpy(f->row + f->rows * (size_t)f->columns, f->row + i * (size_t)f->columns,
             (size_t)f->columns * sizeof *f->row);
    f->index[f->rows++] = i;
    if (f->rows % WINDOW == 0 && f->rows <= i)
      wk_features_rest(f, f->rows - WINDOW, i + 1);
  }
}

/* Rows beyond o->memory go to a file if there can be one. */
static float *room_for_rows(size_t *mapped, size_t bytes, const wk_features_options *o) {
  const char *folder = o->scratch_folder ? o->scratch_folder : o->cache_folder;
  void *room = NULL;
  wk_error why;
  if (bytes > o->memory && folder && wk_scratch_map(&room, folder, bytes, "features", &why) == WK_OK)
    *mapped = bytes;
  return *mapped ? room : wk_alloc(bytes);
}

static wk_features *new_features(size_t photos, size_t columns, const wk_features_options *o) {
  wk_features *f = wk_calloc(1, sizeof *f);
  size_t bytes;
  if (!f)
    return NULL;
  f->columns = (int)columns;
  bool overflow = wk_mul_overflow(&bytes, photos, columns) || wk_mul_overflow(&bytes, bytes, sizeof *f->row);
  f->row = overflow ? NULL : room_for_rows(&f->mapped, bytes, o);
  f->usable = wk_calloc(photos, sizeof *f->usable);
  f->index = wk_alloc_array(photos, sizeof *f->index);
  if (f->row && f->usable && f->index)
    return f;
  wk_features_free(f);
  return NULL;
}

wk_status wk_features_compute(wk_features **out, const wk_backbone *b, const char *const *path, size_t photos,
                              const wk_features_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_features_options defaults;
  wk_features_options_init(&defaults);
  o = o ? o : &defaults;
  double start = wk_clock_seconds();
  wk_node_info info;
  uint8_t key[WK_SHA256_BYTES] = {0}; /* what is not kept needs none */

  if (o->batch < 1 || o->batch > WINDOW)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch of %d photos: expected 1 to %d", o->batch, WINDOW);
  job *j = wk_calloc(1, sizeof *j);
  if (!j)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the features");
  pthread_mutex_init(&j->mutex, NULL);
  j->b = b;
  j->path = path;
  j->name = o->name;
  j->sha256 = o->sha256;
  j->ctx = ctx;
  j->batch = o->batch;
  j->threads = wk_context_threads(ctx);
  j->ahead = 256 / j->threads < 1 ? 1 : 256 / j->threads > AHEAD_MAX ? AHEAD_MAX : 256 / j->threads;
  j->keeps = o->cache_folder != NULL;

  WK_TRY(wk_preprocess_validate(&b->preprocess, err));
  WK_TRY(find_layer(j, &info, o->layer, err));
  if (j->keeps)
    WK_TRY(wk_features_key(key, b, j->node, info.name, wk_cpu_isa(), err));
  size_t columns = (size_t)info.shape.height * (size_t)info.shape.width * (size_t)info.shape.channels;
  WK_FAIL_IF(columns > INT32_MAX, err, WK_ERR_UNSUPPORTED, "layer \"%s\" has too many values: %zu a photo", info.name,
             columns);
  j->f = new_features(photos, columns, o);
  j->worker = wk_calloc((size_t)j->threads, sizeof *j->worker);
  WK_FAIL_IF(
      !j->f || !j->worker, err, WK_ERR_MEMORY,
      "out of memory for the features of %zu photos, %zu numbers each: choose a layer nearer the end, or fewer photos",
      photos, columns);
  WK_TRY(wk_cache_open(&j->cache, o->cache_folder, key, (int)columns, ctx, err));
  WK_TRY(wk_progress_begin(&j->progress, ctx, "features", photos, err));
  for (; j->begin < photos; j->begin += j->count) {
    j->count = photos - j->begin < WINDOW ? photos - j->begin : WINDOW;
    WK_TRY(run_window(j, j->begin + j->count == photos, err));
  }
  close_gaps(j->f, photos);
  j->f->seconds = wk_clock_seconds() - start;
  *out = j->f;
  j->f = NULL;
done:
  wk_progress_end(&j->progress);
  wk_cache_close(j->cache); /* keeps what is finished, also after a failure or a cancel */
  for (int i = 0; j->worker && i < j->threads; i++)
    wk_photo_batch_free(&j->worker[i]);
  wk_free(j->worker);
  wk_plan_free(j->plan);
  wk_features_free(j->f);
  pthread_mutex_destroy(&j->mutex);
  wk_free(j);
  return st;
}
