/* twins_seen.c - twins that the perceptual hash has missed, found by what a network sees in them: of the features of
 * each photo, from which their mean is taken, the signs after a random rotation are kept (SimHash: M. Charikar,
 * "Similarity estimation techniques from rounding algorithms", 2002; rotated by Hadamard's matrix with random signs, as
 * in N. Ailon and B. Chazelle, "Approximate nearest neighbors and the fast Johnson-Lindenstrauss transform", 2006). So
 * many signs differ as the angle between the features is wide. Photos that agree in one of many groups of signs are
 * compared by all of them; which of these are one picture is decided by their dots, for two cats on one sofa are alike
 * to a network, too.
 *
 * A photo is compared with LOOKED_AT others of a group and keeps the NEAREST that come before it, so time and memory
 * grow with the number of photos, whatever they are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/check.h"

enum {
  SIGNS = 1024,
  WORDS = SIGNS / 64,
  FIRST_WORDS = 4,  /* that are compared first */
  FIRST_APART = 96, /* signs of these, from which on the rest is not looked at */
  APART = 260,      /* signs, from which on two photos are not alike: 46 degrees */
  KEY_MIN = 8,      /* signs of a group */
  KEY_MAX = 16,     /* grows with the number of photos, so that about IN_A_GROUP agree in one */
  IN_A_GROUP = 4,
  GROUPS = 64,
  LOOKED_AT = 64, /* photos of a group: the latest */
  NEAREST = 4,
  TOGETHER = 256, /* rows of a job */
  STARTS = 19     /* parts of a picture from which a fit begins */
};
#define FARTHEST 0.22     /* that an edge may be moved */
#define WORTH_FITTING 0.5 /* below which moving the edges does not help */
/* Least correlation of twins. Of photos that a network sees alike, but are none, it was 0.76 at most (docs/doctor.md).
 */
#define SAME_PICTURE 0.87

typedef struct nearby {
  uint32_t row;
  uint16_t apart;
} nearby;

typedef struct seen {
  const wk_examined *photo;
  const wk_features *f;
  const size_t *of;
  float *mean;             /* [columns] */
  size_t width;            /* columns, filled up to a power of two of at least SIGNS */
  int8_t *flip[2];         /* [width] 1 or -1 */
  float *room;             /* [threads, width] */
  uint64_t (*sign)[WORDS]; /* [rows] */
  uint32_t *order, *start; /* of a group: rows by their key; [keys + 1] where each begins */
  nearby (*near)[NEAREST]; /* [rows] those before it, the nearest first */
  uint8_t *near_count;
} seen;

/* ---- signs --------------------------------------------------------------------------------------- */

static void find_mean(seen *s) {
  const wk_features *f = s->f;
  const size_t columns = (size_t)f->columns;
  for (size_t r = 0; r < f->rows; r++) {
    for (size_t j = 0; j < columns; j++)
      s->mean[j] += f->row[r * columns + j];
    if ((r + 1) % TOGETHER == 0)
      wk_features_rest(f, r + 1 - TOGETHER, r + 1);
  }
  for (size_t j = 0; j < columns && f->rows; j++)
    s->mean[j] /= (float)f->rows;
}

/* Hadamard's matrix times v, in place; `width` is a power of two. */
static void rotate(float *v, size_t width) {
  for (size_t half = 1; half < width; half *= 2)
    for (size_t i = 0; i < width; i += 2 * half)
      for (size_t j = i; j < i + half; j++) {
        const float a = v[j], b = v[j + half];
        v[j] = a + b;
        v[j + half] = a - b;
      }
}

static void take_signs(uint64_t sign[WORDS], float *v, const seen *s, const float *row) {
  const size_t columns = (size_t)s->f->columns;
  for (size_t j = 0; j < s->width; j++)
    v[j] = j < columns ? (float)s->flip[0][j] * (row[j] - s->mean[j]) : 0;
  rotate(v, s->width);
  for (size_t j = 0; j < s->width; j++)
    v[j] *= (float)s->flip[1][j];
  rotate(v, s->width);
  for (int w = 0; w < WORDS; w++) {
    sign[w] = 0;
    for (int b = 0; b < 64; b++)
      sign[w] |= (uint64_t)(v[64 * w + b] > 0) << b;
  }
}

static wk_status sign_some(void *user, size_t i, int worker, wk_error *err) {
  (void)err;
  seen *s = user;
  const size_t columns = (size_t)s->f->columns, begin = i * TOGETHER;
  const size_t end = begin + TOGETHER < s->f->rows ? begin + TOGETHER : s->f->rows;
  for (size_t r = begin; r < end; r++)
    take_signs(s->sign[r], s->room + (size_t)worker * s->width, s, s->f->row + r * columns);
  wk_features_rest(s->f, begin, end);
  return WK_OK;
}

/* ---- photos nearby ------------------------------------------------------------------------------- */

static uint32_t key_of(const uint64_t sign[WORDS], int group, int bits) {
  const int first = group * (SIGNS / GROUPS), word = first / 64, shift = first % 64;
  return (uint32_t)(sign[word] >> shift & ((UINT64_C(1) << bits) - 1));
}

/* Signs that differ; APART: too many. */
static int count_apart(const uint64_t a[WORDS], const uint64_t b[WORDS]) {
  int apart = 0;
  for (int w = 0; w < WORDS; w++) {
    apart += __builtin_popcountll(a[w] ^ b[w]);
    if ((w == FIRST_WORDS - 1 && apart >= FIRST_APART) || apart >= APART)
      return APART;
  }
  return apart;
}

static void remember(seen *s, uint32_t row, uint32_t before) {
  nearby *near = s->near[row];
  int n = s->near_count[row];
  for (int i = 0; i < n; i++)
    if (near[i].row == before)
      return;
  const int apart = count_apart(s->sign[row], s->sign[before]);
  if (apart >= APART || (n == NEAREST && apart >= near[n - 1].apart))
    return;
  n += n < NEAREST;
  int at = n - 1;
  for (; at > 0 && near[at - 1].apart > apart; at--)
    near[at] = near[at - 1];
  near[at] = (nearby){before, (uint16_t)apart};
  s->near_count[row] = (uint8_t)n;
}

static bool can_be_compared(const seen *s, size_t row) {
  const wk_examined *x = &s->photo[s->of[row]];
  return x->usable && !x->even;
}

/* Rows in the order of their keys in this group; those with one key are compared. */
static void compare_group(seen *s, const uint32_t *first, int group, int bits) {
  const size_t keys = (size_t)1 << bits;
  memset(s->start, 0, (keys + 1) * sizeof *s->start);
  for (size_t r = 0; r < s->f->rows; r++)
    s->start[key_of(s->sign[r], group, bits) + 1]++;
  for (size_t k = 0; k < keys; k++)
    s->start[k + 1] += s->start[k];
  for (size_t r = s->f->rows; r-- > 0;) /* backwards: start[k + 1] ends up where k begins */
    s->order[--s->start[key_of(s->sign[r], group, bits) + 1]] = (uint32_t)r;
  for (size_t k = 0; k < keys; k++) {
    const size_t begin = s->start[k + 1], end = k + 2 <= keys ? s->start[k + 2] : s->f->rows;
    for (size_t i = begin; i < end; i++) {
      const uint32_t row = s->order[i];
      if (first[s->of[row]] != s->of[row] || !can_be_compared(s, row))
        continue;
      for (size_t j = i; j-- > begin && i - j <= LOOKED_AT;)
        if (first[s->of[s->order[j]]] == s->of[s->order[j]] && can_be_compared(s, s->order[j]))
          remember(s, row, s->order[j]);
    }
  }
}

/* ---- one picture? -------------------------------------------------------------------------------- */

/* The whole; then nine places each of 90 and of 80 percent of the sides. */
static wk_dots_box start_box(int start) {
  if (!start)
    return (wk_dots_box){0, 0, 1, 1};
  const int place = (start - 1) % 9;
  const double step = start <= 9 ? 0.05 : 0.1, x = step * (place % 3), y = step * (place / 3);
  return (wk_dots_box){x, y, x + 1 - 2 * step, y + 1 - 2 * step};
}

/* With edges cut off this one or that one, as it is or mirrored: from where they agree best to begin with. */
static bool same_picture(const wk_examined *a, const wk_examined *b) {
  static const wk_dots_fitting how = {.farthest = FARTHEST, .worth = WORTH_FITTING, .enough = SAME_PICTURE};
  uint8_t part[WK_DOTS * WK_DOTS];
  wk_dots_box best = start_box(0);
  int best_way = 0;
  double most = -1;
  if (wk_examined_is_small(a) && wk_examined_is_small(b))
    return false; /* the hash has judged these more strictly */
  for (int way = 0; way < 4; way++) {
    const wk_examined *cut = way % 2 ? b : a, *whole = way % 2 ? a : b;
    for (int start = 0; start < STARTS; start++) {
      const wk_dots_box at = start_box(start);
      wk_dots_cut(part, cut->dot, &at, way >= 2);
      const double found = wk_dots_correlation(part, whole->dot);
      if (found > most) {
        most = found;
        best = at;
        best_way = way;
      }
    }
  }
  const wk_examined *cut = best_way % 2 ? b : a, *whole = best_way % 2 ? a : b;
  return wk_dots_fit(cut->dot, whole->dot, &best, best_way >= 2, &how) >= SAME_PICTURE;
}

/* Of those nearby only what is the same picture stays. */
static wk_status sift_some(void *user, size_t i, int worker, wk_error *err) {
  (void)worker;
  (void)err;
  seen *s = user;
  const size_t begin = i * TOGETHER, end = begin + TOGETHER < s->f->rows ? begin + TOGETHER : s->f->rows;
  for (size_t r = begin; r < end; r++) {
    uint8_t kept = 0;
    for (int n = 0; n < s->near_count[r]; n++)
      if (same_picture(&s->photo[s->of[s->near[r][n].row]], &s->photo[s->of[r]]))
        s->near[r][kept++] = s->near[r][n];
    s->near_count[r] = kept;
  }
  return WK_OK;
}

/* Each photo is compared with the first of a set, so that no chain of small steps makes one of strangers. */
static void join_sets(seen *s, uint32_t *first, bool *twin, size_t count) {
  for (size_t r = 0; r < s->f->rows; r++) {
    const uint32_t own = (uint32_t)s->of[r];
    for (int i = 0; i < s->near_count[r] && first[own] == own; i++) {
      const uint32_t before = (uint32_t)s->of[s->near[r][i].row], other = first[before];
      if (other == before || same_picture(&s->photo[other], &s->photo[own])) {
        first[own] = other;
        twin[own] = true;
      }
    }
  }
  for (size_t i = 0; i < count; i++) /* what belonged to one that has joined another */
    if (first[first[i]] != first[i]) {
      first[i] = first[first[i]];
      twin[i] = true;
    }
}

static wk_status prepare(seen *s, int threads, size_t keys, wk_error *err) {
  const size_t rows = s->f->rows, columns = (size_t)s->f->columns;
  wk_rng rng;
  for (s->width = SIGNS; s->width < columns;)
    s->width *= 2;
  s->mean = wk_calloc(columns + 1, sizeof *s->mean);
  s->room = wk_calloc((size_t)threads, s->width * sizeof *s->room);
  s->sign = wk_calloc(rows + 1, sizeof *s->sign);
  s->order = wk_calloc(rows + 1, sizeof *s->order);
  s->start = wk_calloc(keys + 2, sizeof *s->start);
  s->near = wk_calloc(rows + 1, sizeof *s->near);
  s->near_count = wk_calloc(rows + 1, sizeof *s->near_count);
  for (int k = 0; k < 2; k++)
    s->flip[k] = wk_calloc(s->width, sizeof *s->flip[k]);
  if (!s->mean || !s->room || !s->sign || !s->order || !s->start || !s->near || !s->near_count || !s->flip[0] ||
      !s->flip[1])
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the twins among %zu photos", rows);
  for (int k = 0; k < 2; k++) {
    wk_rng_init(&rng, 1, (uint64_t)k); /* always the same, so that the seed of a call changes no finding */
    for (size_t j = 0; j < s->width; j++)
      s->flip[k][j] = wk_rng_below(&rng, 2) ? 1 : -1;
  }
  return WK_OK;
}

wk_status wk_twins_join(uint32_t *first, bool *twin, const wk_examined *photo, size_t count, const wk_features *f,
                        const size_t *of, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  const int threads = wk_context_threads(ctx);
  int bits = KEY_MIN;
  while (bits < KEY_MAX && f->rows >> bits > IN_A_GROUP)
    bits++;
  seen s = {.photo = photo, .f = f, .of = of};
  WK_TRY(prepare(&s, threads, (size_t)1 << bits, err));
  find_mean(&s);
  WK_TRY(wk_parallel(ctx, threads, (f->rows + TOGETHER - 1) / TOGETHER, sign_some, &s, err));
  for (int group = 0; group < GROUPS; group++) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped while looking for twins");
    compare_group(&s, first, group, bits);
  }
  WK_TRY(wk_parallel(ctx, threads, (f->rows + TOGETHER - 1) / TOGETHER, sift_some, &s, err));
  join_sets(&s, first, twin, count);
done:
  wk_free(s.mean);
  wk_free(s.flip[0]);
  wk_free(s.flip[1]);
  wk_free(s.room);
  wk_free(s.sign);
  wk_free(s.order);
  wk_free(s.start);
  wk_free(s.near);
  wk_free(s.near_count);
  return st;
}
