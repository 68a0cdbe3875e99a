/* insight.h - a model and its photos: a copy of a photo that it takes for something else, how much it withstands, all photos of a
 * collection as it sees them, and a folder with a page of everything about one model. */
#ifndef WHISKER_INSIGHT_H
#define WHISKER_INSIGHT_H

#include "whisker/attack.h"
#include "whisker/chart.h"
#include "whisker/collection.h"
#include "whisker/embedding_map.h"
#include "whisker/output.h"
#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a copy of a photo that a model takes for something else ------------------------------------ */

typedef struct wk_attack_photo_options {
  wk_attack_options attack; /* its target, width and height are set by the next two */
  const char *to;           /* what the photo should be taken for: a label, an index, a WordNet id, or "any cat" (wk_model_kind): the class of
                             * that kind it is taken for most; default NULL: anything else */
  bool full;                /* change the whole photo at its own size, through the resize; default false: what the network sees */
  const char *check_on;     /* another model that is shown photo and result; default NULL: none */
} wk_attack_photo_options;

WK_API void wk_attack_photo_options_init(wk_attack_photo_options *o);
WK_API const wk_option_table *wk_attack_photo_options_table(void);

/* One opinion about a picture. */
typedef struct wk_opinion {
  char *label;
  double p;
  double p_target; /* of the class asked for; NaN without */
} wk_opinion;

enum { WK_JPEG_QUALITIES = 4 };

typedef struct wk_attack_report {
  char *out, *picture;      /* the result, and photo, change ten times as strong and result side by side */
  wk_attack_result result;  /* before it was saved; its pixels are NULL */
  char *label_before, *label_after;
  wk_opinion saved;         /* of the file, read back: what counts */
  bool success;             /* the file is taken for the class asked for (no longer for what it was) */
  int width, height;
  double rms_255;           /* root mean square of the change */
  int quality[WK_JPEG_QUALITIES];
  wk_opinion jpeg[WK_JPEG_QUALITIES]; /* of the result after JPEG of that quality */
  bool survives[WK_JPEG_QUALITIES];
  bool targeted;
  char *label_target;       /* the class asked for, of a kind the one that was chosen; NULL: any other class */
  int target;               /* -1 */
  char *other;              /* the other model; NULL without */
  wk_opinion other_before, other_sees;
  bool transfers;
  double seconds;
} wk_attack_report;

/* Writes the result to `out`, an 8-bit PNG, and a picture of it beside photo and change ("-change"). That the photo withstands is no
 * error. */
WK_API wk_status wk_attack_photo(wk_attack_report **out, wk_session *s, const wk_model *m, const char *photo,
                                 const char *path, const wk_attack_photo_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_attack_report_free(wk_attack_report *r);
/* wk_free it; NULL: out of memory. */
WK_API char *wk_attack_report_json(const wk_attack_report *r);

/* ---- a folder with a page of everything about one model ------------------------------------------ */

enum { WK_GALLERY_SECTIONS = 10 };

typedef struct wk_gallery_options {
  const char *model;     /* what the model is called in the title, a path or a name; default NULL: its network's name */
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
  int photos;            /* at most the first so many of every class; default 250; 0: all */
  int classes;           /* that get pictures of their own; default 4 */
  int map_steps;         /* of the map's layout; default 1000 */
  int ideal_steps;       /* of each ideal picture; default 256 */
  int attacked;          /* photos that robustness is measured on; default 20 */
  double eps_255;        /* largest change of an attack, in grey levels; default 2 */
  bool left_out[WK_GALLERY_SECTIONS]; /* sections that are not wanted */
  /* After each section: its name and what it shows, and why it is not there (NULL: it is). May be NULL. */
  void (*on_section)(void *user, const char *name, const char *what, const char *left_out, double seconds);
  void *user;
} wk_gallery_options;

WK_API void wk_gallery_options_init(wk_gallery_options *o);
WK_API wk_status wk_gallery_options_validate(const wk_gallery_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_gallery_options_table(void);

typedef struct wk_gallery_report {
  char *out;            /* the page */
  const char *sections[WK_GALLERY_SECTIONS]; /* [section_count] that were made */
  int section_count;
  size_t photo_count;
  bool learned_known;       /* the model remembers what it learned from */
  size_t left_out_learned;  /* photos that it learned from, and is not judged by */
  double top1;          /* on the photos it is judged by; NaN where they are not sorted into the model's classes */
  double seconds;
  wk_lines warnings;
} wk_gallery_report;

/* Sections are made one after the other and the page is written after each: what is finished stays when the rest is stopped, and
 * the page says so. `folder` is made where it is missing. */
WK_API wk_status wk_gallery_make(wk_gallery_report **out, wk_session *s, const wk_model *m, const char *data,
                                 const char *folder, const wk_gallery_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_gallery_report_free(wk_gallery_report *r);
WK_API char *wk_gallery_report_json(const wk_gallery_report *r);

/* ---- pictures of a collection as one model sees it ----------------------------------------------- */

/* The map of all photos as a picture of `size` pixels, and with `html` as a page. */
WK_API wk_status wk_feature_set_draw_map(wk_image *out, const wk_feature_set *s, const wk_model *m,
                                         const wk_embedding_map *map, const char *html, int size, const wk_context *ctx,
                                         wk_error *err) WK_NODISCARD;

#define WK_MOST_NEAREST 200
/* The *k rows (1..WK_MOST_NEAREST) most like `query`, but those with the very same features; *k is less where there are not that
 * many. */
WK_API wk_status wk_feature_set_nearest(size_t *row, float *cosine, int *k, const wk_feature_set *s, const float *query,
                                        wk_error *err) WK_NODISCARD;
/* The photo and those rows, side by side. columns 0: about as many as rows. */
WK_API wk_status wk_feature_set_draw_nearest(wk_image *out, const char *photo, const wk_feature_set *s, const size_t *row,
                                             const float *cosine, int k, int columns, wk_error *err) WK_NODISCARD;
/* The middle of a photo, `side` pixels square. */
WK_API wk_status wk_photo_square(wk_image *out, const char *path, int side, wk_error *err) WK_NODISCARD;

/* Accuracy against an attack's strength as a chart, with room for what it points to. */
enum { WK_ROBUST_STRENGTHS = 32 };
typedef struct wk_robust_curve {
  double y[WK_ROBUST_STRENGTHS], low[WK_ROBUST_STRENGTHS], high[WK_ROBUST_STRENGTHS];
  wk_series series;
  wk_chart chart;
} wk_robust_curve;
WK_API void wk_robust_curve_fill(wk_robust_curve *c, const wk_robust *r, const double *eps_255, const char *y_label);

/* ---- a collection as a map, and what is most like a photo ------------------------------------------ */

typedef struct wk_explain_map_options {
  const char *html;      /* also write a page to pan, zoom and search; default NULL */
  int photos;            /* at most the first so many of every class; default 0: all */
  int size;              /* of the picture, in pixels; default 1600 */
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
  wk_embedding_map_options map;
} wk_explain_map_options;

WK_API void wk_explain_map_options_init(wk_explain_map_options *o);
WK_API wk_status wk_explain_map_options_validate(const wk_explain_map_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_map_options_table(void);

/* Two photos that are almost certainly one picture: saved again, resized, or a burst. */
typedef struct wk_photo_twins {
  size_t row, twin; /* of the set */
  float cosine;
} wk_photo_twins;

typedef struct wk_map_report {
  char *out, *html; /* html: NULL without */
  wk_feature_set set;
  wk_embedding_map *map;    /* a place for each row of the set */
  int class_count;          /* that have photos */
  double same_class;        /* share whose most similar photo has the same class; not a number without classes */
  wk_label_error *odd;      /* that look like another class than theirs */
  size_t odd_count;
  wk_photo_twins *twins;
  size_t twin_count;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_map_report;

/* All photos of `data` laid out by what the model sees in them, as a picture (.png). */
WK_API wk_status wk_explain_map(wk_map_report **out, wk_session *s, const wk_model *m, const char *data, const char *path,
                        const wk_explain_map_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_map_report_free(wk_map_report *r);
WK_API char *wk_map_report_json(const wk_map_report *r);

typedef struct wk_explain_nearest_options {
  int top;               /* photos, at most WK_MOST_NEAREST; default 8 */
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
} wk_explain_nearest_options;

WK_API void wk_explain_nearest_options_init(wk_explain_nearest_options *o);
WK_API wk_status wk_explain_nearest_options_validate(const wk_explain_nearest_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_explain_nearest_options_table(void);

typedef struct wk_nearest_report {
  char *out, *file;
  wk_feature_set set;
  size_t row[WK_MOST_NEAREST]; /* [count] of the set, most similar first */
  float cosine[WK_MOST_NEAREST];
  int count;
  wk_drawings pictures;
  double seconds;
  wk_lines warnings;
} wk_nearest_report;

/* The photos of `data` that the model finds most like one photo, side by side with it in a picture (.png). */
WK_API wk_status wk_explain_nearest(wk_nearest_report **out, wk_session *s, const wk_model *m, const char *photo,
                            const char *data, const char *path, const wk_explain_nearest_options *o,
                            wk_error *err) WK_NODISCARD;
WK_API void wk_nearest_report_free(wk_nearest_report *r);
WK_API char *wk_nearest_report_json(const wk_nearest_report *r);

/* ---- how much a model withstands ----------------------------------------------------------------- */

typedef struct wk_robustness_options {
  const char *strengths; /* of the attack, from 0 up in units of 1/255, ascending, comma-separated; default NULL: robust's */
  int photos;            /* at most the first so many of every class; default 0: all */
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
  const char *out;       /* draw the curve there (.svg), and that of ordinary damage beside it ("-damage") */
  wk_robust_options robust;
} wk_robustness_options;

WK_API void wk_robustness_options_init(wk_robustness_options *o);
WK_API wk_status wk_robustness_options_validate(const wk_robustness_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_robustness_options_table(void);

typedef struct wk_robustness_report {
  wk_robust *result;
  double eps_255[WK_ROBUST_STRENGTHS]; /* [result->count] */
  int steps, restarts;
  bool damage; /* ordinary damage was measured, too */
  char *out, *damage_out;
  bool learned_known;      /* the model remembers what it learned from */
  size_t left_out_learned; /* photos that it learned from, and is not judged by */
  double seconds;
  wk_lines warnings;
} wk_robustness_report;

/* On the photos to test on: test/, else val/, else all, but those that the model learned from. */
WK_API wk_status wk_robustness(wk_robustness_report **out, wk_session *s, const wk_model *m, const char *data,
                               const wk_robustness_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_robustness_report_free(wk_robustness_report *r);
WK_API char *wk_robustness_report_json(const wk_robustness_report *r);

#ifdef __cplusplus
}
#endif
#endif
