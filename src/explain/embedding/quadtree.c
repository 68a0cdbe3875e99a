/* quadtree.c - how all points push each other apart, in n log n (Barnes and Hut, Nature 1986; for t-SNE van der
 * Maaten, JMLR 2014). The tree is built anew in each call by sorting Morton codes, so that points which are near each
 * other are neighbours in memory and walk through the same nodes. */
#include <math.h>
#include <string.h>

#include "explain/embedding/tsne.h"

#define LEVELS 16 /* bits of a coordinate in a Morton code: cells down to 1/65,536 of the picture */
#define LEAF 8    /* points that are looked at one by one */
#define BLOCK 128

typedef struct node {
  double x, y;         /* centre of mass */
  double square;       /* of the cell's side */
  uint32_t begin, end; /* its points, in Morton's order */
  uint32_t next;       /* the first node after its sub-tree */
  bool leaf;
} node;

struct wk_quadtree {
  size_t points;
  uint32_t *code[2], *order[2]; /* sorted from one to the other */
  double *sorted;               /* [points, 2] */
  node *node;
  uint32_t nodes;
  double side;   /* of the root */
  double *share; /* [points] of the total, by point */
  const double *y;
  double *push, theta2;
};

wk_status wk_quadtree_create(wk_quadtree **out, size_t points, wk_error *err) {
  if (points > UINT32_MAX / 8)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%zu points are too many for a map", points);
  wk_quadtree *t = wk_calloc(1, sizeof *t);
  if (!t)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %zu points", points);
  t->points = points;
  for (int i = 0; i < 2; i++) {
    t->code[i] = wk_alloc_array(points, sizeof *t->code[i]);
    t->order[i] = wk_alloc_array(points, sizeof *t->order[i]);
  }
  t->sorted = wk_alloc_array(points, 2 * sizeof *t->sorted);
  t->share = wk_alloc_array(points, sizeof *t->share);
  t->node = NULL;
  if (!t->code[0] || !t->code[1] || !t->order[0] || !t->order[1] || !t->sorted || !t->share) {
    wk_quadtree_free(t);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %zu points", points);
  }
  *out = t;
  return WK_OK;
}

void wk_quadtree_free(wk_quadtree *t) {
  if (!t)
    return;
  for (int i = 0; i < 2; i++) {
    wk_free(t->code[i]);
    wk_free(t->order[i]);
  }
  wk_free(t->sorted);
  wk_free(t->share);
  wk_free(t->node);
  wk_free(t);
}

/* ---- building ----------------------------------------------------------------------------------- */

/* Bits 0..15 of v to the even places. */
static uint32_t spread(uint32_t v) {
  v = (v | v << 8) & 0x00ff00ffu;
  v = (v | v << 4) & 0x0f0f0f0fu;
  v = (v | v << 2) & 0x33333333u;
  return (v | v << 1) & 0x55555555u;
}

static uint32_t cell_of(double v, double low, double side) {
  double at = side > 0 ? (v - low) / side * (1 << LEVELS) : 0;
  return at < 0 ? 0 : at >= (1 << LEVELS) ? (1 << LEVELS) - 1 : (uint32_t)at;
}

static void sort_points(wk_quadtree *t, const double *y) {
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (size_t i = 0; i < 2 * t->points; i++) {
    low[i & 1] = fmin(low[i & 1], y[i]);
    high[i & 1] = fmax(high[i & 1], y[i]);
  }
  t->side = fmax(high[0] - low[0], high[1] - low[1]);
  for (size_t i = 0; i < t->points; i++) {
    t->code[0][i] = spread(cell_of(y[2 * i], low[0], t->side)) | spread(cell_of(y[2 * i + 1], low[1], t->side)) << 1;
    t->order[0][i] = (uint32_t)i;
  }
  for (int pass = 0; pass < 4; pass++) { /* four passes of a byte each: the result is where it began */
    size_t count[257] = {0};
    int from = pass & 1, to = !from, shift = 8 * pass;
    for (size_t i = 0; i < t->points; i++)
      count[(t->code[from][i] >> shift & 255) + 1]++;
    for (int b = 0; b < 256; b++)
      count[b + 1] += count[b];
    for (size_t i = 0; i < t->points; i++) {
      size_t place = count[t->code[from][i] >> shift & 255]++;
      t->code[to][place] = t->code[from][i];
      t->order[to][place] = t->order[from][i];
    }
  }
  for (size_t i = 0; i < t->points; i++) {
    t->sorted[2 * i] = y[2 * (size_t)t->order[0][i]];
    t->sorted[2 * i + 1] = y[2 * (size_t)t->order[0][i] + 1];
  }
}

/* First of the points begin..end-1 whose code, shifted, is not below `quarter`. */
static uint32_t first_of(const uint32_t *code, uint32_t begin, uint32_t end, int shift, uint32_t quarter) {
  while (begin < end) {
    uint32_t middle = begin + (end - begin) / 2;
    if ((code[middle] >> shift & 3) < quarter)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

/* The node of points begin..end-1, all in one cell of that level, and its sub-tree. At most LEVELS calls deep. */
static void build(wk_quadtree *t, uint32_t begin, uint32_t end, int level) {
  uint32_t at = t->nodes++;
  double side = ldexp(t->side, -level), x = 0, y = 0;
  bool leaf = end - begin <= LEAF || level == LEVELS;
  if (leaf) {
    for (uint32_t i = begin; i < end; i++) {
      x += t->sorted[2 * (size_t)i];
      y += t->sorted[2 * (size_t)i + 1];
    }
  } else {
    int shift = 2 * (LEVELS - 1 - level);
    for (uint32_t quarter = 0, from = begin; quarter < 4; quarter++) {
      uint32_t to = quarter == 3 ? end : first_of(t->code[0], from, end, shift, quarter + 1);
      if (to > from) {
        uint32_t child = t->nodes;
        build(t, from, to, level + 1);
        x += t->node[child].x * (to - from);
        y += t->node[child].y * (to - from);
      }
      from = to;
    }
  }
  t->node[at] = (node){x / (end - begin), y / (end - begin), side * side, begin, end, t->nodes, leaf};
}

/* How many nodes build() will make. */
static size_t count_nodes(const wk_quadtree *t, uint32_t begin, uint32_t end, int level) {
  if (end - begin <= LEAF || level == LEVELS)
    return 1;
  size_t n = 1;
  for (uint32_t quarter = 0, from = begin; quarter < 4; quarter++) {
    uint32_t to = quarter == 3 ? end : first_of(t->code[0], from, end, 2 * (LEVELS - 1 - level), quarter + 1);
    if (to > from)
      n += count_nodes(t, from, to, level + 1);
    from = to;
  }
  return n;
}

/* ---- walking ------------------------------------------------------------------------------------ */

typedef struct force {
  double x, y, total;
} force;

static inline void add(force *f, double dx, double dy, double square, double mass) {
  double q = 1 / (1 + square), strength = mass * q * q;
  f->total += mass * q;
  f->x += strength * dx;
  f->y += strength * dy;
}

/* The points of a leaf that is near: one by one, but for a crowd in one smallest cell, which counts as one point. */
static inline void add_leaf(force *f, const wk_quadtree *t, const node *c, uint32_t self, double x, double y) {
  double count = c->end - c->begin;
  if (count > LEAF) {
    bool own = self >= c->begin && self < c->end;
    double dx = x - c->x, dy = y - c->y;
    add(f, dx, dy, dx * dx + dy * dy, count - own);
    return;
  }
  for (uint32_t i = c->begin; i < c->end; i++) {
    double dx = x - t->sorted[2 * (size_t)i], dy = y - t->sorted[2 * (size_t)i + 1];
    if (i != self)
      add(f, dx, dy, dx * dx + dy * dy, 1);
  }
}

static wk_status push_job(void *user, size_t block, int worker, wk_error *err) {
  (void)worker, (void)err;
  wk_quadtree *t = user;
  for (size_t s = block * BLOCK; s < t->points && s < (block + 1) * BLOCK; s++) {
    double x = t->sorted[2 * s], y = t->sorted[2 * s + 1];
    force f = {0};
    for (uint32_t k = 0; k < t->nodes;) {
      const node *c = &t->node[k];
      double dx = x - c->x, dy = y - c->y, square = dx * dx + dy * dy;
      if (c->square < t->theta2 * square)
        add(&f, dx, dy, square, c->end - c->begin);
      else if (c->leaf)
        add_leaf(&f, t, c, (uint32_t)s, x, y);
      else {
        k++;
        continue;
      }
      k = c->next;
    }
    size_t i = t->order[0][s];
    t->push[2 * i] = f.x;
    t->push[2 * i + 1] = f.y;
    t->share[i] = f.total;
  }
  return WK_OK;
}

wk_status wk_quadtree_push(double *push, double *total, wk_quadtree *t, const double *y, double theta,
                           const wk_context *ctx, wk_error *err) {
  /* A cell's own points are at most sqrt(2) sides from its centre of mass: below 1 / sqrt(2) none counts itself. */
  if (!(theta >= 0 && theta <= 0.7))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an angle of %g: expected 0 (exact) to 0.7", theta);
  sort_points(t, y);
  size_t need = count_nodes(t, 0, (uint32_t)t->points, 0);
  node *fresh = wk_alloc_array(need, sizeof *fresh);
  if (!fresh)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %zu points", t->points);
  wk_free(t->node);
  t->node = fresh;
  t->nodes = 0;
  build(t, 0, (uint32_t)t->points, 0);
  t->theta2 = theta * theta;
  t->push = push;
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, (t->points + BLOCK - 1) / BLOCK, push_job, t, err));
  double sum = 0;
  for (size_t i = 0; i < t->points; i++)
    sum += t->share[i];
  *total = sum;
  return WK_OK;
}
