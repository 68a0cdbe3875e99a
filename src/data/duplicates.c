/* duplicates.c - photos that are the same bytes, and photos that look the same although they are not (another size,
 * another compression). The second kind only matters where classes or splits differ, so only those are looked for.
 *
 * Looking the same: brightness steps between neighbouring dots of a small grey copy agree almost everywhere (a
 * difference hash, after N. Krawetz, "Kind of like that", 2013), and the dots themselves differ little.
 */
#include <stdlib.h>
#include <string.h>

#include "data/check.h"

#define BITS_MAX 10     /* of 128 that may differ */
#define LEVELS_MAX 4    /* grey levels that a dot may differ by on average */
#define CONTRAST_MIN 16 /* between the darkest and the brightest dot */

void wk_describe_thumb(wk_looked *l, const uint8_t *thumb) {
  const uint8_t *t = memcpy(l->thumb, thumb, sizeof l->thumb);
  unsigned low = 255, high = 0, sum = 0;
  for (int i = 0; i < WK_THUMB * WK_THUMB; i++) {
    low = t[i] < low ? t[i] : low;
    high = t[i] > high ? t[i] : high;
    sum += t[i];
  }
  l->mean = (uint8_t)(sum / (WK_THUMB * WK_THUMB));
  l->blank = high - low < CONTRAST_MIN;
  l->bits[0] = l->bits[1] = 0;
  for (int y = 0; y < WK_THUMB - 1; y++)
    for (int x = 0; x < WK_THUMB - 1; x++) {
      const uint8_t *at = t + y * WK_THUMB + x;
      l->bits[0] = l->bits[0] << 1 | (at[1] > at[0]);
      l->bits[1] = l->bits[1] << 1 | (at[WK_THUMB] > at[0]);
    }
}

static bool look_alike(const wk_looked *a, const wk_looked *b) {
  if (__builtin_popcountll(a->bits[0] ^ b->bits[0]) + __builtin_popcountll(a->bits[1] ^ b->bits[1]) > BITS_MAX)
    return false;
  int sum = 0;
  for (int i = 0; i < WK_THUMB * WK_THUMB; i++)
    sum += abs(a->thumb[i] - b->thumb[i]);
  return sum <= LEVELS_MAX * WK_THUMB * WK_THUMB;
}

/* ---- disjoint sets ---------------------------------------------------------------------------- */

/* The smallest member of i's set. */
static uint32_t root_of(uint32_t *parent, uint32_t i) {
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b) {
  a = root_of(parent, a);
  b = root_of(parent, b);
  if (a < b)
    parent[b] = a;
  else
    parent[a] = b;
}

/* Adds every set of two or more to the groups, in the order of their first members. */
static wk_status add_groups(wk_check *c, uint32_t *parent, size_t n, bool exact, wk_error *err) {
  wk_status st = WK_OK;
  size_t fresh = 0;
  uint32_t *size = wk_calloc(n, sizeof *size);
  uint32_t *place = wk_calloc(n, sizeof *place); /* of a root's group, + 1 */
  wk_check_group *group = NULL;
  WK_FAIL_IF(!size || !place, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
  for (uint32_t i = 0; i < n; i++)
    fresh += ++size[root_of(parent, i)] == 2;
  if (!fresh)
    goto done;
  group = wk_grow(c->groups, c->group_count * sizeof *group, (c->group_count + fresh) * sizeof *group);
  WK_FAIL_IF(!group, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
  c->groups = group;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t root = root_of(parent, i);
    if (size[root] < 2)
      continue;
    if (!place[root]) { /* i is the root, and the first */
      size_t *photo = wk_alloc_array(size[root], sizeof *photo);
      WK_FAIL_IF(!photo, err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", n);
      c->groups[c->group_count] = (wk_check_group){.photos = photo, .exact = exact};
      place[root] = (uint32_t)++c->group_count;
    }
    wk_check_group *g = &c->groups[place[root] - 1];
    g->photos[g->photo_count++] = i;
  }
done:
  wk_free(size);
  wk_free(place);
  return st;
}

/* ---- finding ---------------------------------------------------------------------------------- */

/* An order of photos by a key, which says all that the search needs. */
typedef struct ranked {
  const wk_looked *looked;
  uint32_t photo;
} ranked;

static int by_number(uint32_t a, uint32_t b) { return (a > b) - (a < b); }

static int by_hash(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  int order = memcmp(x->looked->hash, y->looked->hash, WK_SHA256_BYTES);
  return order ? order : by_number(x->photo, y->photo);
}

static int by_mean(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  int order = by_number(x->looked->mean, y->looked->mean);
  return order ? order : by_number(x->photo, y->photo);
}

static void restart(uint32_t *parent, size_t n) {
  for (uint32_t i = 0; i < n; i++)
    parent[i] = i;
}

static bool same_bytes(const wk_looked *a, const wk_looked *b) { return memcmp(a->hash, b->hash, sizeof a->hash) == 0; }

static bool apart(const wk_photo *a, const wk_photo *b) {
  return a->split != b->split || (a->label != b->label && a->label >= 0 && b->label >= 0);
}

wk_status wk_find_duplicates(wk_check *c, const wk_dataset *d, const wk_looked *looked, bool look_alikes,
                             const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t n = 0;
  uint32_t *parent = wk_alloc_array(d->photo_count, sizeof *parent);
  ranked *rank = wk_alloc_array(d->photo_count, sizeof *rank);
  WK_FAIL_IF(!parent || !rank || d->photo_count >= UINT32_MAX, err, WK_ERR_MEMORY,
             "out of memory for the copies among %zu photos", d->photo_count);
  for (uint32_t i = 0; i < d->photo_count; i++)
    if (looked[i].usable)
      rank[n++] = (ranked){&looked[i], i};

  restart(parent, d->photo_count);
  qsort(rank, n, sizeof *rank, by_hash);
  for (size_t i = 1; i < n; i++)
    if (same_bytes(rank[i - 1].looked, rank[i].looked))
      join(parent, rank[i - 1].photo, rank[i].photo);
  WK_TRY(add_groups(c, parent, d->photo_count, true, err));
  if (!look_alikes)
    goto done;

  /* Dots that differ by LEVELS_MAX on average have means that differ by no more (one more by rounding), so in the
   * order of means only a stretch must be searched. */
  restart(parent, d->photo_count);
  qsort(rank, n, sizeof *rank, by_mean);
  for (size_t i = 0; i < n; i++) {
    const ranked *a = &rank[i];
    WK_FAIL_IF(i % 256 == 0 && wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped");
    for (size_t k = i + 1; k < n && rank[k].looked->mean - a->looked->mean <= LEVELS_MAX + 1; k++)
      if (!a->looked->blank && look_alike(a->looked, rank[k].looked) &&
          apart(&d->photos[a->photo], &d->photos[rank[k].photo]) && !same_bytes(a->looked, rank[k].looked))
        join(parent, a->photo, rank[k].photo);
  }
  WK_TRY(add_groups(c, parent, d->photo_count, false, err));
done:
  wk_free(parent);
  wk_free(rank);
  return st;
}
