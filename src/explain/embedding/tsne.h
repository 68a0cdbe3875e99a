/* tsne.h - the parts of t-SNE (whisker/embedding_map.h): nearest rows, affinities, the gradient over a quadtree. */
#ifndef WK_TSNE_H
#define WK_TSNE_H

#include "base/base.h"
#include "whisker/embedding_map.h"

/* ---- neighbours.c ------------------------------------------------------------------------------- */

/* The k rows nearest to each row of x [rows, columns] but itself, nearest first, of equally near ones the earlier:
 * index [rows, k], and squared distances [rows, k]. k < rows. Exact. `stage` (may be NULL) is reported in rows. */
wk_status wk_neighbours(uint32_t *index, float *square, const float *x, size_t rows, int columns, int k,
                        const char *stage, const wk_context *ctx, wk_error *err);

/* ---- affinity.c --------------------------------------------------------------------------------- */

/* How much of its attention each row gives the others: a sparse symmetric matrix that sums to 1. */
typedef struct wk_affinity {
  size_t rows;
  size_t *begin; /* [rows + 1] where a row's entries begin */
  uint32_t *to;  /* [begin[rows]] */
  float *p;      /* [begin[rows]] */
} wk_affinity;

/* From neighbours and their squared distances [rows, k]: Gaussians as wide as makes each row's entropy ln(perplexity),
 * made symmetric. Sorts index and square by index within each row. */
wk_status wk_affinity_create(wk_affinity *out, uint32_t *index, float *square, size_t rows, int k, double perplexity,
                             const wk_context *ctx, wk_error *err);
void wk_affinity_free(wk_affinity *a);

/* ---- repulsion.c -------------------------------------------------------------------------------- */

/* A quadtree over points, as an array in depth-first order. Points are sorted along Morton's curve, so a node is a run
 * of them. */
typedef struct wk_quadtree wk_quadtree;
wk_status wk_quadtree_create(wk_quadtree **out, size_t points, wk_error *err);
void wk_quadtree_free(wk_quadtree *t);
/* For points y [points, 2]: push[i] = sum over j of q_ij^2 (y_i - y_j), and the sum of q_ij over all pairs i != j,
 * where q_ij = 1 / (1 + |y_i - y_j|^2). Cells seen under an angle below theta count as one point; 0: exact. */
wk_status wk_quadtree_push(double *push, double *total, wk_quadtree *t, const double *y, double theta,
                           const wk_context *ctx, wk_error *err);

/* ---- tsne.c ------------------------------------------------------------------------------------- */

/* Gradient [rows, 2] of KL(P | Q) at y, with P times `exaggeration`; *kl (may be NULL): the divergence itself. `push`
 * [rows, 2] is working memory. */
wk_status wk_tsne_gradient(double *gradient, double *kl, double *push, const wk_affinity *a, wk_quadtree *t,
                           const double *y, double exaggeration, double theta, const wk_context *ctx, wk_error *err);

/* How many neighbours a layout of so many rows looks at. */
int wk_tsne_neighbours(size_t rows, const wk_tsne_options *o);
/* wk_tsne from neighbours that are known: index and square [rows, k] as wk_neighbours gives them, and are sorted anew.
 */
wk_status wk_tsne_layout(float *out, double *kl, const float *x, size_t rows, int columns, uint32_t *index,
                         float *square, int k, const wk_tsne_options *o, const wk_context *ctx, wk_error *err);

extern const wk_option_table wk_tsne_table; /* for the map's */

#endif
