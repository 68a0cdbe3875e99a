/* embedding_map.h - many photos at once: laid out on a map by what a network sees in them, and which photos are most
 * alike. */
#ifndef WHISKER_EMBEDDING_MAP_H
#define WHISKER_EMBEDDING_MAP_H

#include "whisker/image.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- fewer columns ------------------------------------------------------------------------------ */

/* Principal components: x [rows, columns] seen along its `keep` directions of largest variance, centred, out [rows,
 * keep] as scikit-learn's PCA(keep).fit_transform(x), signs chosen so that each direction's largest entry is positive.
 * `share` [keep] (may be NULL): each direction's share of the variance. keep is at most rows, columns and 512.
 * Deterministic for any number of threads; ctx->seed starts the search. WK_ERR_NUMERIC for a value that is not finite.
 */
WK_API wk_status wk_pca(float *out, double *share, const float *x, size_t rows, int columns, int keep,
                        const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* ---- t-SNE -------------------------------------------------------------------------------------- */

/* Barnes-Hut t-SNE (van der Maaten, JMLR 2014), with the choices that scikit-learn makes: start from the first two
 * columns (which should be principal components), learning rate rows / 48, at least 50 (Belkina et al., Nature
 * Communications 2019), exaggeration 12 for the first quarter of the steps. */
typedef struct wk_tsne_options {
  double perplexity; /* about how many neighbours count; default 30, and at most (rows - 1) / 3 are used */
  int steps;         /* default 1000 */
  double theta;      /* 0 exact ... 0.7 coarse; default 0.5 */
} wk_tsne_options;

WK_API const wk_option_table *wk_tsne_options_table(void);

/* ---- which photos are alike --------------------------------------------------------------------- */

/* The k rows of x [rows, columns] whose cosine with `query` [columns] is largest, best first, of equals the earlier; k
 * at most rows. index and cosine [k]. */
WK_API wk_status wk_nearest(size_t *index, float *cosine, int k, const float *query, const float *x, size_t rows,
                            int columns, wk_error *err) WK_NODISCARD;

/* ---- the map ------------------------------------------------------------------------------------ */

typedef enum wk_embedding_map_method { WK_EMBEDDING_TSNE = 0, WK_EMBEDDING_PCA } wk_embedding_map_method;

typedef struct wk_embedding_map_options {
  wk_embedding_map_method method;
  int columns;    /* features are reduced to so many first; default 50 */
  int neighbours; /* most similar photos to keep for each; default 8 */
  wk_tsne_options tsne;
} wk_embedding_map_options;

typedef struct wk_embedding_map {
  size_t rows;
  float *xy;       /* [rows, 2]: in 0..1, y downwards, the longer side filled */
  int neighbours;  /* fewer than asked for where there are fewer photos */
  uint32_t *near;  /* [rows, neighbours] most similar rows by the cosine of their features, best first */
  float *cosine;   /* [rows, neighbours] */
  double variance; /* share that the reduced columns hold */
  double kl;       /* of t-SNE; NaN otherwise */
} wk_embedding_map;

WK_API void wk_embedding_map_options_init(wk_embedding_map_options *o);
WK_API const wk_option_table *wk_embedding_map_options_table(void);
/* Lays out rows by their features x [rows, columns], lengths made equal first, so that distance means cosine. Memory
 * besides x: about 4 kB a row. */
WK_API wk_status wk_embedding_map_make(wk_embedding_map **out, const float *x, size_t rows, int columns,
                                       const wk_embedding_map_options *o, const wk_context *ctx,
                                       wk_error *err) WK_NODISCARD;
WK_API void wk_embedding_map_free(wk_embedding_map *a);

/* A photo that looks like another class than its own: perhaps a wrong label, perhaps a hard one. */
typedef struct wk_label_error {
  uint32_t row;
  int looks_like; /* class */
  int votes;      /* of its neighbours for that class */
} wk_label_error;

/* Rows of which at least three quarters of the neighbours agree on another class than `label` [rows] says (-1: none),
 * most votes and most alike first. *agree (may be NULL): the share of labelled rows whose most similar photo is of
 * their own class; NaN where there are none. *out is freed with wk_free. */
WK_API wk_status wk_label_errors_find(wk_label_error **out, size_t *count, double *agree, const wk_embedding_map *a,
                                      const int *label, int classes, wk_error *err) WK_NODISCARD;

/* ---- its picture -------------------------------------------------------------------------------- */

/* Small square pictures of many photos, from their middles: [photos, side, side, 3]. A photo that cannot be read leaves
 * grey. Stage of progress: "thumbnails". wk_free it. */
WK_API wk_status wk_thumbnails(uint8_t **out, const char *const *path, size_t photos, int side, const wk_context *ctx,
                               wk_error *err) WK_NODISCARD;

/* The colour of class `index` of `count`; grey for -1. Neighbouring classes look different, also to the colour-blind
 * where there are at most eight. */
WK_API void wk_class_colour(uint8_t rgb[3], int index, int count);

typedef struct wk_embedding_picture {
  const uint8_t *thumbnails; /* [rows, side, side, 3]; NULL: dots */
  int side;
  const int *labels;        /* [rows], -1: none; NULL: none has one */
  const char *const *names; /* [classes] */
  int class_count;
  const char *title; /* NULL: none */
  int size;          /* of the map's longer side in pixels; default 1600 */
} wk_embedding_picture;

WK_API void wk_embedding_picture_init(wk_embedding_picture *p);
/* Every photo at its place with a frame in its class's colour, and what the colours mean. From 1,000 photos on as many
 * are shown as do not cover each other; the others are points. */
WK_API wk_status wk_embedding_map_draw(wk_image *out, const wk_embedding_map *a, const wk_embedding_picture *p,
                                       wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
