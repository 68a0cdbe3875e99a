/* prints.c - what tells one photo from another: the hash of its bytes, and how it looks (photo_look.c). One pass over
 * the photos finds all of it. Copies and near twins are found among many photos in linear time, so that a split can
 * keep them together: what was learned from one is no test on the other. */
#include <stdlib.h>
#include <string.h>

#include "data/check.h"
#include "data/data.h"
#include "whisker/photo_hash.h"

#define HASH_COMPARED 16 /* bytes of the SHA-256 */
#define BITS_MAX 7       /* of 128 that may differ between near twins */
#define LEVELS_MAX 2     /* grey levels that a dot may differ by on average: less than for a doubt in the data doctor */
#define BANDS 8          /* of 16 bits: with at most 7 bits different one band is equal */
#define NEIGHBOURS                                                                                                     \
  32 /* that are compared in a band: most photos with an equal one are few; a crowd is no set of twins */

typedef struct print {
  uint8_t hash[WK_SHA256_BYTES];
  uint64_t bits[2];
  wk_look look;
  bool read, usable, blank;
} print;

/* What the cache holds of a photo, as the bytes of floats with which nobody computes. */
typedef struct kept {
  wk_look look;
  uint32_t usable; /* 0: it cannot be decoded */
  uint32_t unused;
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

static void describe(print *p, const wk_look *look) {
  wk_steps steps;
  wk_steps_of(&steps, look->thumb);
  p->look = *look;
  memcpy(p->bits, steps.bits, sizeof p->bits);
  p->blank = steps.blank;
}

/* Of a photo's bytes: what the cache knows, or else what its pixels are. */
static wk_status look_up(kept *k, job *j, const wk_buffer *bytes, const uint8_t hash[WK_SHA256_BYTES], wk_error *err) {
  float row[COLUMNS];
  if (wk_cache_get(j->cache, hash, row)) {
    memcpy(k, row, sizeof *k);
    return WK_OK;
  }
  memset(k, 0, sizeof *k); /* its gaps too */
  wk_status st = wk_look_at(&k->look, bytes->data, bytes->size, err);
  if (st == WK_ERR_MEMORY)
    return st;
  k->usable = st == WK_OK;
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
  p->usable = k.usable;
  if (p->usable)
    describe(p, &k.look);
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
  p->usable = k.usable;
  if (p->usable)
    describe(p, &k.look);
  return WK_OK;
}

wk_status wk_prints_compute(wk_prints **out, const char *const *path, size_t photos, const char *cache_folder,
                            const wk_context *ctx, wk_error *err) {
  return wk_prints_compute_known(out, path, NULL, photos, cache_folder, ctx, err);
}

wk_status wk_prints_compute_known(wk_prints **out, const char *const *path, const uint8_t (*sha256)[WK_SHA256_BYTES],
                                  size_t photos, const char *cache_folder, const wk_context *ctx, wk_error *err) {
  static const char name[] = "whisker: how photos look, version 2";
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
  wk_photo_hash out = {.look = one->look.frequencies};
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

static bool same_bytes(const print *a, const print *b) {
  return a->usable && b->usable && memcmp(a->hash, b->hash, HASH_COMPARED) == 0;
}

static bool twins(const print *a, const print *b) {
  if (!a->usable || !b->usable || a->blank || b->blank ||
      __builtin_popcountll(a->bits[0] ^ b->bits[0]) + __builtin_popcountll(a->bits[1] ^ b->bits[1]) > BITS_MAX)
    return false;
  int sum = 0;
  for (int i = 0; i < WK_THUMB * WK_THUMB; i++)
    sum += abs(a->look.thumb[i] - b->look.thumb[i]);
  return sum <= LEVELS_MAX * WK_THUMB * WK_THUMB;
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

/* The lower number stands for both. Twins must look like those that stand for their groups, not only like one member:
 * so no chain of small steps leads from one photo to quite another. */
static void join(uint32_t *parent, const wk_prints *p, uint32_t a, uint32_t b, bool exact) {
  a = root_of(parent, a);
  b = root_of(parent, b);
  if (a == b || (!exact && !twins(&p->print[a], &p->print[b])))
    return;
  parent[a < b ? b : a] = a < b ? a : b;
}

static void join_copies(uint32_t *parent, const wk_prints *p, ranked *rank) {
  for (uint32_t i = 0; i < p->count; i++) {
    rank[i] = (ranked){.photo = i};
    memcpy(rank[i].key, p->print[i].hash, HASH_COMPARED);
  }
  qsort(rank, p->count, sizeof *rank, by_key);
  for (size_t i = 1; i < p->count; i++)
    if (same_bytes(&p->print[rank[i - 1].photo], &p->print[rank[i].photo]))
      join(parent, p, rank[i - 1].photo, rank[i].photo, true);
}

static void join_twins(uint32_t *parent, const wk_prints *p, ranked *rank, int band) {
  size_t n = 0;
  for (uint32_t i = 0; i < p->count; i++) {
    const print *one = &p->print[i];
    if (one->usable && !one->blank)
      rank[n++] = (ranked){{one->bits[band / 4] >> 16 * (band % 4) & 0xffff, one->bits[1 - band / 4]}, i};
  }
  if (n)
    qsort(rank, n, sizeof *rank, by_key);
  for (size_t i = 0; i < n; i++)
    for (size_t k = i + 1; k < n && k <= i + NEIGHBOURS && rank[k].key[0] == rank[i].key[0]; k++)
      if (twins(&p->print[rank[i].photo], &p->print[rank[k].photo]))
        join(parent, p, rank[i].photo, rank[k].photo, false);
}

wk_status wk_prints_group(uint32_t *group, const wk_prints *p, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  ranked *rank = wk_alloc_array(p->count + 1, sizeof *rank);
  WK_FAIL_IF(!rank, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", p->count);
  for (uint32_t i = 0; i < p->count; i++)
    group[i] = i;
  join_copies(group, p, rank);
  for (int band = 0; band < BANDS; band++) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped while looking for copies");
    join_twins(group, p, rank, band);
  }
  for (uint32_t i = 0; i < p->count; i++)
    group[i] = root_of(group, i);
done:
  wk_free(rank);
  return st;
}
