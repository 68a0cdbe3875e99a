/* photo_hash.c - see whisker/photo_hash.h. A look needs few pixels, so the decoder may give a photo at an eighth of its
 * size; frequencies are computed in integers, so that every machine finds the same bits. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "whisker/image.h"
#include "whisker/photo_hash.h"

enum {
  SIDE = 32,         /* of the small grey copy */
  LOW = 8,           /* frequencies in each direction */
  LEAST = 96,        /* shorter side in pixels, below which many different pictures look the same (digits, icons) */
  CONTRAST_MIN = 16, /* between the darkest and the brightest dot */
  LOOK_COLUMNS = 2   /* 8 bytes as two floats of a wk_cache, whose values nobody computes with */
};

/* round(1024 cos((2 x + 1) u pi / 64)) for u = 0..7. */
static const int16_t cosine[LOW][SIDE] = {
    {1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024,
     1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024},
    {1023, 1013, 993,  964,  926,  878,  822,  759,  688,  610,  526,  438,  345,  249,  150,   50,
     -50,  -150, -249, -345, -438, -526, -610, -688, -759, -822, -878, -926, -964, -993, -1013, -1023},
    {1019,  980,  903,  792,  650,  483,  297,  100,  -100, -297, -483, -650, -792, -903, -980, -1019,
     -1019, -980, -903, -792, -650, -483, -297, -100, 100,  297,  483,  650,  792,  903,  980,  1019},
    {1013, 926, 759, 526, 249, -50,  -345, -610, -822, -964, -1023, -993, -878, -688, -438, -150,
     150,  438, 688, 878, 993, 1023, 964,  822,  610,  345,  50,    -249, -526, -759, -926, -1013},
    {1004, 851, 569, 200, -200, -569, -851, -1004, -1004, -851, -569, -200, 200, 569, 851, 1004,
     1004, 851, 569, 200, -200, -569, -851, -1004, -1004, -851, -569, -200, 200, 569, 851, 1004},
    {993,  759,  345,  -150,  -610, -926, -1023, -878, -526, -50,  438, 822, 1013, 964,  688,  249,
     -249, -688, -964, -1013, -822, -438, 50,    526,  878,  1023, 926, 610, 150,  -345, -759, -993},
    {980,  650,  100,  -483, -903, -1019, -792, -297, 297,  792,  1019,  903,  483,  -100, -650, -980,
     -980, -650, -100, 483,  903,  1019,  792,  297,  -297, -792, -1019, -903, -483, 100,  650,  980},
    {964, 526, -150, -759, -1023, -822, -249, 438,  926,  993, 610, -50,  -688, -1013, -878, -345,
     345, 878, 1013, 688,  50,    -610, -993, -926, -438, 249, 822, 1023, 759,  150,   -526, -964},
};

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Signs against the median; the mean (frequency 0, 0) is left out, for it says how bright the photo is, and its bit
 * stays 0. */
static uint64_t signs(const int64_t frequency[LOW * LOW]) {
  int64_t sorted[LOW * LOW - 1];
  memcpy(sorted, frequency + 1, sizeof sorted);
  qsort(sorted, LOW * LOW - 1, sizeof *sorted, by_value);
  const int64_t median = sorted[(LOW * LOW - 1) / 2];
  uint64_t bits = 0;
  for (int i = 1; i < LOW * LOW; i++)
    bits |= (uint64_t)(frequency[i] > median) << i;
  return bits;
}

static uint64_t look_of(const uint8_t dot[SIDE * SIDE]) {
  int64_t half[SIDE][LOW], frequency[LOW * LOW];
  for (int y = 0; y < SIDE; y++)
    for (int u = 0; u < LOW; u++) {
      half[y][u] = 0;
      for (int x = 0; x < SIDE; x++)
        half[y][u] += cosine[u][x] * (int)dot[y * SIDE + x];
    }
  for (int v = 0; v < LOW; v++)
    for (int u = 0; u < LOW; u++) {
      int64_t sum = 0;
      for (int y = 0; y < SIDE; y++)
        sum += cosine[v][y] * half[y][u];
      frequency[v * LOW + u] = sum;
    }
  return signs(frequency);
}

/* 0 where it tells nothing. */
static uint64_t look_at(const wk_buffer *bytes) {
  wk_image photo = {0}, small = {0};
  wk_decode_options o;
  uint8_t dot[SIDE * SIDE];
  unsigned low = 255, high = 0;
  uint64_t look = 0;
  int width, height;
  wk_image_format format;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = SIDE;
  if (wk_image_probe(&width, &height, &format, bytes->data, bytes->size, NULL) != WK_OK || width < LEAST ||
      height < LEAST || wk_image_decode(&photo, bytes->data, bytes->size, &o, NULL) != WK_OK)
    return 0;
  if (wk_image_resize(&small, &photo, SIDE, SIDE, WK_FILTER_BILINEAR, NULL, NULL) == WK_OK) {
    for (int i = 0; i < SIDE * SIDE; i++) {
      const uint8_t *p = small.pixels + 3 * i;
      dot[i] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
      low = dot[i] < low ? dot[i] : low;
      high = dot[i] > high ? dot[i] : high;
    }
    look = high - low < CONTRAST_MIN ? 0 : look_of(dot);
  }
  wk_image_free(&photo);
  wk_image_free(&small);
  return look;
}

/* ---- many photos ------------------------------------------------------------------------------- */

typedef struct job {
  wk_photo_hash *out;
  const char *const *path;
  wk_buffer *buffer; /* [threads] */
  wk_cache *cache;
  wk_progress progress;
} job;

static wk_status hash_one(void *user, size_t i, int worker, wk_error *err) {
  (void)err;
  job *j = user;
  wk_buffer *bytes = &j->buffer[worker];
  wk_photo_file file;
  uint8_t sha[WK_SHA256_BYTES];
  float kept[LOOK_COLUMNS];
  wk_photo_hash *h = &j->out[i];
  *h = (wk_photo_hash){0};
  if (wk_photo_open(&file, j->path[i], NULL) == WK_OK && wk_photo_read(bytes, &file, NULL) == WK_OK) {
    wk_sha256(sha, bytes->data, bytes->size);
    for (int b = 0; b < 8; b++)
      h->content = h->content << 8 | sha[b];
    if (wk_cache_get(j->cache, sha, kept)) {
      memcpy(&h->look, kept, sizeof h->look);
    } else {
      h->look = look_at(bytes);
      memcpy(kept, &h->look, sizeof kept);
      wk_cache_put(j->cache, sha, kept);
    }
  }
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

wk_status wk_photo_hashes(wk_photo_hash *out, const char *const *path, size_t photos, const char *cache_folder,
                          const wk_context *ctx, wk_error *err) {
  static const char what[] = "whisker looks, version 1";
  wk_status st = WK_OK;
  const int threads = wk_context_threads(ctx);
  uint8_t key[WK_SHA256_BYTES];
  job j = {.out = out, .path = path};
  wk_sha256(key, what, sizeof what);
  WK_TRY(wk_cache_open(&j.cache, cache_folder, key, LOOK_COLUMNS, ctx, err));
  j.buffer = wk_calloc((size_t)threads, sizeof *j.buffer);
  WK_FAIL_IF(!j.buffer, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_progress_begin(&j.progress, ctx, "hashes", photos, err));
  WK_TRY(wk_parallel(ctx, threads, photos, hash_one, &j, err));
done:
  wk_progress_end(&j.progress);
  for (int i = 0; j.buffer && i < threads; i++)
    wk_buffer_free(&j.buffer[i]);
  wk_free(j.buffer);
  wk_cache_close(j.cache);
  return st;
}

/* ---- a set ------------------------------------------------------------------------------------- */

enum { BLOCKS = WK_SAME_LOOK_BITS + 1 }; /* of a look: one at least is the same in looks that are near enough */

struct wk_photo_set {
  wk_photo_hash *hash; /* [count] in the order of contents */
  size_t count;
  uint32_t *by_block[BLOCKS]; /* [looks] numbers of those with a look, in the order of that block of it */
  size_t looks;
};

/* 64 bits in BLOCKS pieces, the first ones one bit longer where they do not divide evenly. */
static uint64_t block_of(uint64_t look, int block) {
  const int first = 64 * block / BLOCKS, end = 64 * (block + 1) / BLOCKS;
  return look >> first & ((UINT64_C(1) << (end - first)) - 1);
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
        rank[n++] = (ranked){block_of(s->hash[i].look, b), (uint32_t)i};
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
    const uint64_t wanted = block_of(look, b);
    size_t low = 0, high = s->looks;
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      if (block_of(s->hash[order[middle]].look, b) < wanted)
        low = middle + 1;
      else
        high = middle;
    }
    for (; low < s->looks && block_of(s->hash[order[low]].look, b) == wanted; low++)
      if (__builtin_popcountll(s->hash[order[low]].look ^ look) <= WK_SAME_LOOK_BITS)
        return true;
  }
  return false;
}

bool wk_photo_set_has(const wk_photo_set *s, const wk_photo_hash *photo) {
  return s && ((photo->content && has_content(s, photo->content)) || (photo->look && has_look(s, photo->look)));
}

/* ---- groups ------------------------------------------------------------------------------------ */

/* The smallest member of i's group. */
static uint32_t first_of(uint32_t *group, uint32_t i) {
  while (group[i] != i)
    i = group[i] = group[group[i]];
  return i;
}

static void join(uint32_t *group, uint32_t a, uint32_t b) {
  a = first_of(group, a);
  b = first_of(group, b);
  if (a < b)
    group[b] = a;
  else
    group[a] = b;
}

/* Those of one run of `rank`, which share a block, that look the same. */
static void join_run(uint32_t *group, const wk_photo_hash *hash, const ranked *rank, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t k = i + 1; k < n; k++)
      if (__builtin_popcountll(hash[rank[i].number].look ^ hash[rank[k].number].look) <= WK_SAME_LOOK_BITS)
        join(group, rank[i].number, rank[k].number);
}

wk_status wk_photo_groups(uint32_t *group, const wk_photo_hash *hash, size_t count, wk_error *err) {
  if (count >= UINT32_MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%zu photos are too many to be compared", count);
  ranked *rank = wk_alloc_array(count + 1, sizeof *rank);
  if (!rank)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the copies among %zu photos", count);
  for (uint32_t i = 0; i < count; i++)
    group[i] = i;
  for (int b = -1; b < BLOCKS; b++) { /* -1: contents */
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++)
      if (b < 0 ? hash[i].content : hash[i].look)
        rank[n++] = (ranked){b < 0 ? hash[i].content : block_of(hash[i].look, b), i};
    qsort(rank, n, sizeof *rank, by_block);
    for (size_t first = 0, end; first < n; first = end) {
      for (end = first + 1; end < n && rank[end].block == rank[first].block; end++)
        if (b < 0)
          join(group, rank[first].number, rank[end].number);
      if (b >= 0)
        join_run(group, hash, rank + first, end - first);
    }
  }
  for (uint32_t i = 0; i < count; i++)
    group[i] = first_of(group, i);
  wk_free(rank);
  return WK_OK;
}
