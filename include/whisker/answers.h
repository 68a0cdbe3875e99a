/* answers.h - what a model says of photos, how often it is right, what a network sees in them as numbers, and what is wrong with
 * a collection. */
#ifndef WHISKER_ANSWERS_H
#define WHISKER_ANSWERS_H

#include "whisker/check.h"
#include "whisker/collection.h"
#include "whisker/metrics.h"
#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is in these photos? ------------------------------------------------------------------ */

typedef struct wk_guess {
  const char *label; /* the model's own: it lives as long as the model */
  const char *wnid;  /* WordNet id of an ImageNet class; NULL for other classes */
  int index;         /* into the model's labels */
  double p;
} wk_guess;

typedef struct wk_prediction {
  char *file;
  const wk_guess *top; /* [count] best first */
  int count;
} wk_prediction;

typedef struct wk_predict_options {
  int top; /* labels a photo, 1..64, at most as many as there are; default 5 */
  wk_name_options names; /* what a name may stand for; default: files and collections alone */
} wk_predict_options;

WK_API void wk_predict_options_init(wk_predict_options *o);
WK_API wk_status wk_predict_options_validate(const wk_predict_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_predict_options_table(void);

typedef struct wk_predictions {
  wk_prediction *photos; /* [photo_count] that could be read, in the order they were named */
  size_t photo_count;
  wk_guess *guesses;    /* what `top` points into */
  wk_lines broken;      /* files that could not be read */
  size_t asked_count;   /* photos and broken together */
  wk_lines warnings;
} wk_predictions;

/* `name`: photos; a folder, list or archive among them stands for the photos in it. A photo that cannot be read is no error. */
WK_API wk_status wk_predict(wk_predictions **out, wk_session *s, const wk_model *m, const char *const *name, size_t names,
                            const wk_predict_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_predictions_free(wk_predictions *p);
WK_API char *wk_predictions_json(const wk_predictions *p);

/* ---- how often is a model right, and where is it wrong? ---------------------------------------- */

typedef struct wk_evaluate_options {
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
  bool any_split;         /* test/ when the data have one, else val/, else everything (default); false: `split` */
  wk_split split;
  bool with_learned;     /* test on photos that the model learned from, too; default false: they are left out */
  int k;                 /* right if among the k best; default 0: 5, or fewer where there are fewer classes */
} wk_evaluate_options;

WK_API void wk_evaluate_options_init(wk_evaluate_options *o);
WK_API wk_status wk_evaluate_options_validate(const wk_evaluate_options *o, wk_error *err) WK_NODISCARD;

/* A photo that was taken for another class; or for its own, but hardly. */
typedef struct wk_mistake {
  char *file;
  int truth, predicted; /* of a doubtful one predicted is the class that came second */
  double p;             /* of `predicted` */
  double p_truth;
} wk_mistake;

/* A right answer is doubtful where the second class has nearly as much: the difference of both probabilities is below this. */
#define WK_DOUBTFUL 0.2
/* Of the right answers, so many that the model is surest of are kept. */
#define WK_SUREST 16

typedef struct wk_evaluation {
  wk_metrics *metrics;
  char **labels;       /* [metrics->class_count] */
  const char *split;   /* that was tested on: "test", "val", "train" or "all" */
  bool learned_known;   /* the model remembers what it learned from; else the next is 0 */
  size_t learned_count; /* photos that it had learned from (or copies of such): left out, or with_learned among those tested on */
  bool with_learned;
  size_t right_count, broken_count; /* photos; those that could not be read */
  wk_mistake *mistakes; /* wrong: in the photos' order */
  size_t mistake_count;
  wk_mistake *doubtful; /* right, but by less than WK_DOUBTFUL, in the photos' order */
  size_t doubtful_count;
  wk_mistake *surest; /* right: the surest WK_SUREST of them at most, the surest first; `p` as of a doubtful one */
  size_t surest_count;
  wk_lines warnings;
} wk_evaluation;

/* `data` holds the model's classes, as folders, a list or an archive (data.h). */
WK_API wk_status wk_evaluate(wk_evaluation **out, wk_session *s, const wk_model *m, const char *data,
                             const wk_evaluate_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_evaluation_free(wk_evaluation *e);
WK_API char *wk_evaluation_json(const wk_evaluation *e);

/* ---- features as numbers ----------------------------------------------------------------------- */

typedef struct wk_embed_options {
  const char *layer; /* flattened (h, w, c); default NULL: the pooled features that a head is fitted on */
  const char *out;   /* a NumPy file to write, float32 [rows, columns]; default NULL */
  wk_name_options names; /* as in wk_predict_options */
} wk_embed_options;

WK_API void wk_embed_options_init(wk_embed_options *o);
WK_API const wk_option_table *wk_embed_options_table(void);

typedef struct wk_embedding {
  wk_features *features; /* one row a photo that could be read */
  char **files;          /* [rows] */
  size_t asked_count;
  char *out;             /* NULL: nothing was written */
  wk_lines warnings;
} wk_embedding;

/* `name` as in wk_predict. WK_ERR_FORMAT where no photo can be read: nothing is written then. */
WK_API wk_status wk_embed(wk_embedding **out, wk_session *s, const wk_model *m, const char *const *name, size_t names,
                          const wk_embed_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_embedding_free(wk_embedding *e);
WK_API char *wk_embedding_json(const wk_embedding *e);

/* ---- the data doctor --------------------------------------------------------------------------- */

typedef struct wk_check_data_options {
  bool labels_from_name;
  wk_check_options check;
  bool labels;          /* also find wrong labels, outliers and classes that need more photos, by a network's features; default true */
  const char *backbone; /* that gives them; default "efficientnet_lite0" */
  const char *arch;     /* what a weight file holds, where that cannot be seen; default NULL */
  int folds;            /* of the photos: each is judged by a classifier fitted on the others; default 5 */
  double outlier;       /* robust standard deviations from its class, from which on a photo is an outlier; default 8 */
  double target;        /* share of a class's photos that should be told right; default 0.95 */
} wk_check_data_options;

WK_API void wk_check_data_options_init(wk_check_data_options *o);
WK_API const wk_option_table *wk_check_data_options_table(void);

typedef struct wk_check_report {
  wk_dataset *data;
  wk_check *check; /* what was found; photos are numbered as in `data` */
  char *verdict[3]; /* what is there, what is wrong with it, what to do */
  char *unjudged;   /* why labels were not looked at; NULL: they were */
  size_t judged;    /* photos by a classifier that had not seen them */
  wk_interval right; /* share of these whose label it names; NaN, 0, 1 where none was judged */
  double exponent;   /* of the learning curve: errors fall with photos^-exponent; NaN: not known */
  size_t exclude_count; /* photos on the exclusion list */
  size_t computed_count; /* photos whose features were not kept from before */
  double seconds;
  wk_lines warnings;
} wk_check_report;

/* Reads every photo once, keeps what it finds as features are kept, and changes nothing. */
WK_API wk_status wk_check_data(wk_check_report **out, wk_session *s, const char *data, const wk_check_data_options *o,
                               wk_error *err) WK_NODISCARD;
WK_API void wk_check_report_free(wk_check_report *r);
WK_API char *wk_check_report_json(const wk_check_report *r);

/* What is said of so many findings of a kind, behind their number: "labels may be wrong"; and what to do about them. Never NULL. */
WK_API const char *wk_check_kind_words(wk_check_kind kind, size_t count);
WK_API const char *wk_check_kind_advice(wk_check_kind kind);

/* The findings as CSV, worst first: file,kind,class,suggested,other,score,exclude,what. Files are named from the collection's folder on.
 * `exclude` says yes or no, and is what wk_train_options.exclude goes by: look through it, and change it. Nothing but an older list of
 * whisker's is replaced. */
WK_API wk_status wk_check_write_list(const wk_check_report *r, const char *path, wk_error *err) WK_NODISCARD;
/* A copy of the collection without the photos that are on the exclusion list, in folders by class; `link`: symbolic links instead of copies.
 * `folder` must be new or empty, and is left so on failure (a full disk). wk_sort_undo takes it away again. Stage of progress: "copy". */
WK_API wk_status wk_check_apply(size_t *written, const wk_check_report *r, wk_session *s, const char *folder, bool link,
                                wk_error *err) WK_NODISCARD;
/* One page with thumbnails, the worst `most` findings of every kind first. Stage of progress: "page". */
WK_API wk_status wk_check_write_page(const wk_check_report *r, wk_session *s, const char *path, int most, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
