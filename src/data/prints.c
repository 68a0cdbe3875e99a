/* prints.c - what tells one photo from another: the hash of its bytes, and how it looks (photo_look.c). One pass over
 * the photos finds all of it. Copies and near twins are found among many photos in linear time, so that a split can
 * keep them together: what was learned from one is no test on the other. */
#include <stdlib.h>
#include <string.h>

#include "data/check.h"
#include "data/data.h"
#include "whisker/photo_hash.h"

enum { NEIGHBOURS = 512 }; /* that are compared in a block: a crowd with an equal one is no set of copies */

typedef struct print {
  uint8_t hash[WK_SHA256_BYTES];
  uint64_t look; /* wk_photo_hash.look */
  bool read;
} print;

/* What the cache holds of a photo, as the bytes of floats with which nobody computes. */
typedef struct kept {
  uint64_t look; /* 0 also where it cannot be decoded */
} kept;
#define COLUMNS (sizeof(kept) / sizeof(float))
_Static_assert(sizeof(kept) % sizeof(float) == 0, "whole columns");

struct wk_prints {
  print *print;
  size_t count;
};

void wk_prints_free(wk_prints *p) {
  if (p)
    wk_free(p->print);
  wk_free(p);
}

/* ---- computing -------------------------------------------------------------------------------- */

typedef struct job {
  const char *const *path;
  const uint8_t (*sha256)[WK_SHA256_BYTES]; /* may be NULL */
  print *print;
  wk_buffer *buffer; /* [threads] */
  wk_cache *cache;
  wk_progress progress;
} job;

/* Of a photo's bytes: what the cache knows, or else what its pixels are. */
static wk_status look_up(kept *k, job *j, const wk_buffer *bytes, const uint8_t hash[WK_SHA256_BYTES], wk_error *err) {
  float row[COLUMNS];
  if (wk_cache_get(j->cache, hash, row)) {
    memcpy(k, row, sizeof *k);
    return WK_OK;
  }
  *k = (kept){0};
  wk_status st = wk_look_at(&k->look, bytes->data, bytes->size, err);
  if (st == WK_ERR_MEMORY)
    return st;
  memcpy(row, k, sizeof row);
  wk_cache_put(j->cache, hash, row);
  return WK_OK;
}

static bool is_known(const uint8_t hash[WK_SHA256_BYTES]) {
  static const uint8_t none[WK_SHA256_BYTES];
  return memcmp(hash, none, sizeof none) != 0;
}

/* What is kept of a photo whose hash is known. */
static bool recall(print *p, job *j, const uint8_t hash[WK_SHA256_BYTES]) {
  float row[COLUMNS];
  kept k;
  if (!wk_cache_get(j->cache, hash, row))
    return false;
  memcpy(&k, row, sizeof k);
  memcpy(p->hash, hash, sizeof p->hash);
  p->read = true;
  p->look = k.look;
  return true;
}

/* A photo that cannot be read has no print; that is told when its features are asked for. */
static wk_status print_one(void *user, size_t i, int worker, wk_error *err) {
  job *j = user;
  print *p = &j->print[i];
  wk_buffer *bytes = &j->buffer[worker];
  wk_photo_file file;
  wk_error why = {0};
  uint8_t hash[WK_SHA256_BYTES];
  kept k = {0};
  if (j->sha256 && is_known(j->sha256[i]) && recall(p, j, j->sha256[i])) {
    wk_progress_add(&j->progress, 1);
    return WK_OK;
  }
  wk_status st = wk_photo_open(&file, j->path[i], &why);
  if (st == WK_OK)
    st = wk_photo_read(bytes, &file, &why);
  wk_progress_add(&j->progress, 1);
  p->read = st == WK_OK;
  if (!p->read && j->sha256)
    memcpy(p->hash, j->sha256[i], sizeof p->hash);
  if (p->read) {
    wk_sha256(hash, bytes->data, bytes->size);
    memcpy(p->hash, hash, sizeof hash);
    st = look_up(&k, j, bytes, hash, &why);
  }
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s: %s", j->path[i], why.message);
  p->look = k.look;
  return WK_OK;
}

wk_status wk_prints_compute(wk_prints **out, const char *const *path, size_t photos, const char *cache_folder,
                            const wk_context *ctx, wk_error *err) {
  return wk_prints_compute_known(out, path, NULL, photos, cache_folder, ctx, err);
}

wk_status wk_prints_compute_known(wk_prints **out, const char *const *path, const uint8_t (*sha256)[WK_SHA256_BYTES],
                                  size_t photos, const char *cache_folder, const wk_context *ctx, wk_error *err) {
  static const char name[] = "whisker: how photos look, version 3";
  wk_status st = WK_OK;
  uint8_t key[WK_SHA256_BYTES];
  int threads = wk_context_threads(ctx);
  job j = {.path = path, .sha256 = sha256};
  wk_prints *p = wk_calloc(1, sizeof *p);
  j.buffer = wk_calloc((size_t)threads, sizeof *j.buffer);
  WK_FAIL_IF(!p || !j.buffer || photos >= UINT32_MAX, err, WK_ERR_MEMORY, "out of memory for %zu photos", photos);
  j.print = p->print = wk_calloc(photos + 1, sizeof *p->print);
  p->count = photos;
  WK_FAIL_IF(!p->print, err, WK_ERR_MEMORY, "out of memory for %zu photos", photos);
  wk_sha256(key, name, sizeof name);
  WK_TRY(wk_cache_open(&j.cache, cache_folder, key, (int)COLUMNS, ctx, err));
  WK_TRY(wk_progress_begin(&j.progress, ctx, "copies", photos, err));
  WK_TRY(wk_parallel(ctx, threads, photos, print_one, &j, err));
  *out = p;
  p = NULL;
done:
  wk_progress_end(&j.progress);
  wk_cache_close(j.cache);
  for (int i = 0; j.buffer && i < threads; i++)
    wk_buffer_free(&j.buffer[i]);
  wk_free(j.buffer);
  wk_prints_free(p);
  return st;
}

wk_photo_hash wk_prints_get(const wk_prints *p, size_t photo) {
  const print *one = &p->print[photo];
  wk_photo_hash out = {.look = one->look};
  for (int b = 0; one->read && b < 8; b++)
    out.content = out.content << 8 | one->hash[b];
  return out;
}

const uint8_t *wk_prints_sha256(const wk_prints *p, size_t photo) { return p->print[photo].hash; }

/* ---- grouping --------------------------------------------------------------------------------- */

static uint32_t root_of(uint32_t *parent, uint32_t i) {
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}

typedef struct ranked {
  uint64_t key[2];
  uint32_t photo;
} ranked;

static int by_key(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  for (int i = 0; i < 2; i++)
    if (x->key[i] != y->key[i])
      return x->key[i] < y->key[i] ? -1 : 1;
  return (x->photo > y->photo) - (x->photo < y->photo);
}

/* The lower number stands for both. Frames of a film, each the same as the next, are one group: no two photos that are
 * the same are ever in different ones. */
static void join(uint32_t *parent, const wk_prints *p, uint32_t a, uint32_t b) {
  const wk_photo_hash x = wk_prints_get(p, a), y = wk_prints_get(p, b);
  a = root_of(parent, a);
  b = root_of(parent, b);
  if (a != b && wk_photo_same(&x, &y))
    parent[a < b ? b : a] = a < b ? a : b;
}

/* Photos in the order of one block of their looks, or of their contents (block -1). */
static size_t rank_photos(ranked *rank, const wk_prints *p, int block) {
  size_t n = 0;
  for (uint32_t i = 0; i < p->count; i++) {
    const wk_photo_hash h = wk_prints_get(p, i);
    if (block < 0 ? h.content != 0 : h.look != 0)
      rank[n++] = (ranked){{block < 0 ? h.content : wk_look_block(h.look, block), block < 0 ? 0 : h.look}, i};
  }
  if (n)
    qsort(rank, n, sizeof *rank, by_key);
  return n;
}

static void join_ranked(uint32_t *parent, const wk_prints *p, const ranked *rank, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t k = i + 1; k < n && k <= i + NEIGHBOURS && rank[k].key[0] == rank[i].key[0]; k++)
      join(parent, p, rank[i].photo, rank[k].photo);
}

wk_status wk_prints_group(uint32_t *group, const wk_prints *p, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  ranked *rank = wk_alloc_array(p->count + 1, sizeof *rank);
  WK_FAIL_IF(!rank, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", p->count);
  for (uint32_t i = 0; i < p->count; i++)
    group[i] = i;
  for (int block = -1; block < WK_LOOK_BLOCKS; block++) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped while looking for copies");
    join_ranked(group, p, rank, rank_photos(rank, p, block));
  }
  for (uint32_t i = 0; i < p->count; i++)
    group[i] = root_of(group, i);
done:
  wk_free(rank);
  return st;
}
