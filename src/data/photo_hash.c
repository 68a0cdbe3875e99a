/* photo_hash.c - a set of photos in which one is found by its content or by its look: see whisker/photo_hash.h. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "data/check.h"
#include "whisker/photo_hash.h"

enum { BLOCKS = WK_LOOK_BLOCKS };
_Static_assert(BLOCKS == WK_SAME_LOOK_BITS + 1, "so many bits leave one block alone");

struct wk_photo_set {
  wk_photo_hash *hash; /* [count] in the order of contents */
  size_t count;
  uint32_t *by_block[BLOCKS]; /* [looks] numbers of those with a look, in the order of that block of it */
  size_t looks;
};

/* 64 bits in BLOCKS pieces, the first ones one bit longer where they do not divide evenly. */
uint64_t wk_look_block(uint64_t look, int block) {
  const int first = 64 * block / BLOCKS, end = 64 * (block + 1) / BLOCKS;
  return look >> first & ((UINT64_C(1) << (end - first)) - 1);
}

static bool near(uint64_t a, uint64_t b) { return __builtin_popcountll(a ^ b) <= WK_SAME_LOOK_BITS; }

bool wk_photo_same(const wk_photo_hash *a, const wk_photo_hash *b) {
  return (a->content && a->content == b->content) || (a->look && b->look && near(a->look, b->look));
}

static int by_content(const void *a, const void *b) {
  const wk_photo_hash *x = a, *y = b;
  if (x->content != y->content)
    return x->content < y->content ? -1 : 1;
  return (x->look > y->look) - (x->look < y->look);
}

typedef struct ranked {
  uint64_t block;
  uint32_t number;
} ranked;

static int by_block(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->block != y->block)
    return x->block < y->block ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

static wk_status rank_blocks(wk_photo_set *s, wk_error *err) {
  wk_status st = WK_OK;
  ranked *rank = wk_alloc_array(s->count + 1, sizeof *rank);
  WK_FAIL_IF(!rank, err, WK_ERR_MEMORY, "out of memory for the hashes of %zu photos", s->count);
  for (int b = 0; b < BLOCKS; b++) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
      if (s->hash[i].look)
        rank[n++] = (ranked){wk_look_block(s->hash[i].look, b), (uint32_t)i};
    qsort(rank, n, sizeof *rank, by_block);
    s->by_block[b] = wk_alloc_array(n + 1, sizeof **s->by_block);
    WK_FAIL_IF(!s->by_block[b], err, WK_ERR_MEMORY, "out of memory for the hashes of %zu photos", s->count);
    for (size_t i = 0; i < n; i++)
      s->by_block[b][i] = rank[i].number;
    s->looks = n;
  }
done:
  wk_free(rank);
  return st;
}

wk_status wk_photo_set_create(wk_photo_set **out, const wk_photo_hash *hash, size_t count, wk_error *err) {
  wk_status st = WK_OK;
  wk_photo_set *s = wk_calloc(1, sizeof *s);
  WK_FAIL_IF(!s, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(count >= UINT32_MAX, err, WK_ERR_ARGUMENT, "%zu photos are too many to be remembered", count);
  s->hash = wk_alloc_array(count + 1, sizeof *s->hash);
  WK_FAIL_IF(!s->hash, err, WK_ERR_MEMORY, "out of memory for the hashes of %zu photos", count);
  if (count)
    memcpy(s->hash, hash, count * sizeof *hash);
  qsort(s->hash, count, sizeof *s->hash, by_content);
  for (size_t i = 0; i < count; i++)
    if (s->hash[i].content && (!s->count || s->hash[s->count - 1].content != s->hash[i].content))
      s->hash[s->count++] = s->hash[i];
  WK_TRY(rank_blocks(s, err));
  *out = s;
  s = NULL;
done:
  wk_photo_set_free(s);
  return st;
}

void wk_photo_set_free(wk_photo_set *s) {
  if (!s)
    return;
  for (int b = 0; b < BLOCKS; b++)
    wk_free(s->by_block[b]);
  wk_free(s->hash);
  wk_free(s);
}

size_t wk_photo_set_size(const wk_photo_set *s) { return s ? s->count : 0; }

const wk_photo_hash *wk_photo_set_at(const wk_photo_set *s, size_t index) { return &s->hash[index]; }

static bool has_content(const wk_photo_set *s, uint64_t content) {
  size_t low = 0, high = s->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (s->hash[middle].content < content)
      low = middle + 1;
    else
      high = middle;
  }
  return low < s->count && s->hash[low].content == content;
}

static bool has_look(const wk_photo_set *s, uint64_t look) {
  for (int b = 0; b < BLOCKS; b++) {
    const uint32_t *order = s->by_block[b];
    const uint64_t wanted = wk_look_block(look, b);
    size_t low = 0, high = s->looks;
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      if (wk_look_block(s->hash[order[middle]].look, b) < wanted)
        low = middle + 1;
      else
        high = middle;
    }
    for (; low < s->looks && wk_look_block(s->hash[order[low]].look, b) == wanted; low++)
      if (near(s->hash[order[low]].look, look))
        return true;
  }
  return false;
}

bool wk_photo_set_has(const wk_photo_set *s, const wk_photo_hash *photo) {
  return s && ((photo->content && has_content(s, photo->content)) || (photo->look && has_look(s, photo->look)));
}
