/* twins.c - photos that are one: the same bytes, or nearly the same picture although it was resized, compressed anew,
 * cut at its edges or mirrored.
 *
 * Candidates come from an index of perceptual hashes (C. Zauner, "Implementation and benchmarking of perceptual image
 * hash functions", 2010): a hash of 64 bits in blocks, of which one is equal where few bits differ. Each photo is
 * hashed as it is and with edges cut off in some ways, and looked for also mirrored. Whether a candidate is the same
 * picture is decided by the correlation of their dots, after the cut that fits best. Every photo is compared with the
 * first one of a set only, so that neither a hundred thousand copies of one photo nor a chain of small steps make
 * trouble. */
#include <stdlib.h>
#include <string.h>

#include "data/check.h"

enum {
  CUTS = 8,        /* ways to cut edges off */
  BLOCKS = 5,      /* at most; of 12 or 13 bits */
  MANY_BLOCKS = 4, /* of 16 bits, among many photos, where shorter ones are equal in too many that have nothing to do
                      with each other */
  MANY = 20000,
  BITS_MAX = 16,   /* of a hash that may differ in a candidate */
  LOOKED_AT = 300, /* entries of a block that are looked at: the latest */
  NOBODY = -1
};
#define FARTHEST 0.07            /* that an edge may be moved */
#define SAME_PICTURE 0.94        /* least correlation of twins */
#define WORTH_FITTING 0.75       /* below which moving the edges does not help */
#define SAME_SMALL_PICTURE 0.995 /* of small ones, which are not cut */

static const wk_dots_box cut[CUTS] = {
    {0, 0, 1, 1},       {0.015, 0.015, 0.985, 0.985}, {0.03, 0.03, 0.97, 0.97}, {0.05, 0.05, 0.95, 0.95},
    {0, 0, 0.95, 0.95}, {0.05, 0, 1, 0.95},           {0, 0.05, 0.95, 1},       {0.05, 0.05, 1, 1}};

/* ---- hashes of every photo --------------------------------------------------------------------- */

typedef struct hashes {
  uint64_t plain[CUTS], mirrored[CUTS]; /* 0: not to be compared */
} hashes;

typedef struct hashing {
  const wk_examined *photo;
  hashes *out;
} hashing;

static wk_status hash_one(void *user, size_t i, int worker, wk_error *err) {
  (void)worker;
  (void)err;
  const hashing *h = user;
  const wk_examined *x = &h->photo[i];
  uint8_t part[WK_DOTS * WK_DOTS];
  if (!x->usable || x->even)
    return WK_OK;
  for (int k = 0; k < CUTS; k++) {
    wk_dots_cut(part, x->dot, &cut[k], false);
    h->out[i].plain[k] = wk_look_frequencies(part);
    wk_dots_cut(part, x->dot, &cut[k], true);
    h->out[i].mirrored[k] = wk_look_frequencies(part);
  }
  return WK_OK;
}

/* ---- the index --------------------------------------------------------------------------------- */

typedef struct entry {
  uint64_t hash;
  uint32_t photo;
  int32_t before[BLOCKS]; /* the entry that was added last with the same block */
  uint8_t cut;
} entry;

typedef struct finder {
  const wk_examined *photo;
  entry *entries;
  size_t count;
  int blocks;              /* of a hash */
  int32_t *latest[BLOCKS]; /* [1 << bits of a block] */
} finder;

static uint32_t block_of(const finder *f, uint64_t hash, int block) {
  const int first = 64 * block / f->blocks, end = 64 * (block + 1) / f->blocks;
  return (uint32_t)(hash >> first & ((UINT64_C(1) << (end - first)) - 1));
}

static void add(finder *f, uint32_t photo, const hashes *h) {
  for (int k = 0; k < CUTS; k++) {
    if (!h->plain[k])
      continue;
    entry *e = &f->entries[f->count];
    *e = (entry){.hash = h->plain[k], .photo = photo, .cut = (uint8_t)k};
    for (int b = 0; b < f->blocks; b++) {
      int32_t *latest = &f->latest[b][block_of(f, e->hash, b)];
      e->before[b] = *latest;
      *latest = (int32_t)f->count;
    }
    f->count++;
  }
}

static bool same_picture(const finder *f, const entry *e, uint32_t photo, int k, bool mirrored) {
  static const wk_dots_fitting how = {.farthest = FARTHEST, .worth = WORTH_FITTING, .enough = SAME_PICTURE};
  const wk_examined *a = &f->photo[e->photo], *b = &f->photo[photo];
  if (wk_examined_is_small(a) && wk_examined_is_small(b))
    return !mirrored && !e->cut && !k && wk_dots_correlation(a->dot, b->dot) >= SAME_SMALL_PICTURE;
  const double found = k ? wk_dots_fit(b->dot, a->dot, &cut[k], mirrored, &how)
                         : wk_dots_fit(a->dot, b->dot, &cut[e->cut], mirrored, &how);
  return found >= SAME_PICTURE;
}

/* The first of a set that this photo belongs to; NOBODY: it is the first of its own. */
static int64_t search(const finder *f, uint32_t photo, const hashes *h) {
  int64_t refused[16]; /* photos that were compared lately */
  size_t refusals = 0;
  for (int way = 0; way < 2 * CUTS; way++) {
    const uint64_t hash = way % 2 ? h->mirrored[way / 2] : h->plain[way / 2];
    if (!hash)
      continue;
    for (int b = 0; b < f->blocks; b++) {
      int looked_at = 0;
      for (int32_t at = f->latest[b][block_of(f, hash, b)]; at != NOBODY && looked_at < LOOKED_AT; looked_at++) {
        const entry *e = &f->entries[at];
        at = e->before[b];
        if ((way / 2 && e->cut) || __builtin_popcountll(e->hash ^ hash) > BITS_MAX) /* one of the two is whole */
          continue;
        const int64_t pair = ((int64_t)e->photo * CUTS + e->cut) * 2 * CUTS + way;
        bool known = false;
        for (size_t i = 0; i < refusals && i < sizeof refused / sizeof *refused; i++)
          known = known || refused[i] == pair;
        if (known)
          continue;
        if (same_picture(f, e, photo, way / 2, way % 2))
          return e->photo;
        refused[refusals++ % (sizeof refused / sizeof *refused)] = pair;
      }
    }
  }
  return NOBODY;
}

/* ---- the same bytes ---------------------------------------------------------------------------- */

typedef struct ranked {
  const uint8_t *hash;
  uint32_t photo;
} ranked;

static int by_hash(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  const int order = memcmp(x->hash, y->hash, WK_SHA256_BYTES);
  return order ? order : (x->photo > y->photo) - (x->photo < y->photo);
}

static wk_status find_copies(uint32_t *first, const wk_examined *photo, size_t count, wk_error *err) {
  size_t n = 0;
  ranked *rank = wk_alloc_array(count + 1, sizeof *rank);
  if (!rank)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", count);
  for (uint32_t i = 0; i < count; i++) {
    first[i] = i;
    if (photo[i].read)
      rank[n++] = (ranked){photo[i].hash, i};
  }
  qsort(rank, n, sizeof *rank, by_hash);
  for (size_t i = 1; i < n; i++)
    if (memcmp(rank[i - 1].hash, rank[i].hash, WK_SHA256_BYTES) == 0)
      first[rank[i].photo] = first[rank[i - 1].photo];
  wk_free(rank);
  return WK_OK;
}

/* ---- the whole --------------------------------------------------------------------------------- */

wk_status wk_twins_find(uint32_t *first, bool *twin, const wk_examined *photo, size_t count, bool look_alikes,
                        const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  finder f = {.photo = photo, .blocks = count < MANY ? BLOCKS : MANY_BLOCKS};
  const size_t keys = (size_t)1 << ((64 + f.blocks - 1) / f.blocks);
  hashing h = {.photo = photo};
  WK_FAIL_IF(count >= INT32_MAX / CUTS, err, WK_ERR_ARGUMENT, "%zu photos are too many to be compared", count);
  WK_TRY(find_copies(first, photo, count, err));
  memset(twin, 0, count * sizeof *twin);
  if (!look_alikes)
    goto done;
  h.out = wk_calloc(count + 1, sizeof *h.out);
  f.entries = wk_alloc_array(count + 1, CUTS * sizeof *f.entries);
  WK_FAIL_IF(!h.out || !f.entries, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", count);
  for (int b = 0; b < f.blocks; b++) {
    f.latest[b] = wk_alloc_array(keys, sizeof *f.latest[b]);
    WK_FAIL_IF(!f.latest[b], err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", count);
    memset(f.latest[b], 0xff, keys * sizeof *f.latest[b]);
  }
  WK_TRY(wk_parallel(ctx, 0, count, hash_one, &h, err));
  for (uint32_t i = 0; i < count; i++) {
    WK_FAIL_IF(i % 256 == 0 && wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped");
    if (first[i] != i || !h.out[i].plain[0])
      continue;
    const int64_t found = search(&f, i, &h.out[i]);
    if (found == NOBODY) {
      add(&f, i, &h.out[i]);
    } else {
      first[i] = (uint32_t)found;
      twin[i] = true;
    }
  }
  for (uint32_t i = 0; i < count; i++) /* copies of a twin are twins of the same photo */
    if (first[i] != i && !twin[i] && twin[first[i]]) {
      twin[i] = true;
      first[i] = first[first[i]];
    }
done:
  wk_free(h.out);
  wk_free(f.entries);
  for (int b = 0; b < BLOCKS; b++)
    wk_free(f.latest[b]);
  return st;
}
