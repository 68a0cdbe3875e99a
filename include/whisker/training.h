/* training.h - from photos to a tested model in one call, several ways side by side, and what each trick of training does.
 *
 * What is learned from and what is checked on is decided in one place: `val` names photos to check on, or the share of the photos
 * that is held back (each class its share); without, a val/ folder is checked on; without that, a fifth is held back, unless there
 * is a test/ folder, which then is left for wk_evaluate (fine-tuning holds a tenth back all the same). */
#ifndef WHISKER_TRAINING_H
#define WHISKER_TRAINING_H

#include "whisker/session.h"
#include "whisker/finetune.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ----------------------------------------------------------------------------------- */

typedef enum wk_train_kind {
  WK_TRAIN_PROBE = 0, /* a head on the features of a pretrained network */
  WK_TRAIN_FINETUNE,  /* then the network itself, as deep as finetune.depth says */
  WK_TRAIN_SCRATCH    /* a network whose first weights are drawn */
} wk_train_kind;

/* After wk_precision: int8, or else bf16, where that is faster here and as accurate on these photos. */
enum { WK_PRECISION_AUTO = WK_PRECISION_COUNT };
/* "float32", "int8", "bf16", "auto"; NULL out of range. */
WK_API const char *wk_precision_choice_name(int precision);
/* "linear", "knn", "mean"; NULL out of range. */
WK_API const char *wk_head_kind_name(int kind);

/* What was found in the data before anything is learned. */
typedef struct wk_train_data {
  const char *name;         /* as it was given */
  size_t photo_count;       /* to learn from and to check on */
  size_t train_count, val_count; /* these two */
  int class_count;
  size_t smallest, largest; /* photos of the smallest and of the largest class */
  size_t ignored;           /* files that are no photos */
} wk_train_data;

typedef struct wk_train_options {
  wk_train_kind kind;
  const char *backbone;  /* name or weight file; from scratch: an architecture; default "efficientnet_lite0" */
  const char *arch;      /* what a weight file holds, where that cannot be seen; default NULL */
  bool labels_from_name; /* a photo's class is in its name, not in its folder */
  const char *val;       /* photos to check on, or the share to hold back, "0.3"; default NULL: see above */
  int folds;             /* also judge every photo by a linear head that was fitted on the other folds; default 0: do not */
  const char *group_by;  /* photos that share this stay on one side of a split (of `val` as a share, and of folds), as copies do: "folder",
                          * or a POSIX extended regular expression, whose match in the name counts, or that of its first parentheses;
                          * default NULL */
  const char *add;       /* a model whose head was fitted on features here: its photos are learned from as well, from what is kept of them,
                          * and how it was trained is how this is; all options but out, exclude and labels are its own. The same as
                          * training anew on all photos in one folder. Default NULL */
  const char *exclude;   /* a list of photos of the data that are left out: a CSV as wk_check_write_list makes it, or one name a line;
                          * default NULL */
  const char *labels;    /* a list of corrected labels (columns file and label) of photos of the data; default NULL */
  int size, resize;      /* the input's side and the shorter side before the crop, in pixels; default 0: the backbone's own, from
                          * scratch what suits the photos */
  bool srgb;             /* colours are brought to sRGB by each photo's profile, also by the model later; default false */
  int precision;         /* a wk_precision, or WK_PRECISION_AUTO: what the probe's features are computed in, also by the model later */
  wk_probe_options probe; /* of WK_TRAIN_PROBE */
  bool refit;            /* after checking, fit the probe's head once more on all photos */
  wk_finetune_options finetune;  /* of the other two. Its features, folders, checkpoint, callbacks and teacher are set by wk_train */
  bool augment_given;    /* from scratch: finetune.augment is meant, even if it is off; default false: what suits the photos */
  const char *teacher;   /* a model to learn from as well; it tells the same classes; default NULL */
  const char *out;       /* the model's file; a tuned run also writes its history (.json), curve (.svg), and while it runs a
                          * checkpoint beside it. Default NULL: nothing is written */
  bool light;            /* the file holds the backbone's name and hash instead of its weights, unless these were tuned */
  const char *show_augment; /* write a picture of some photos as they will be changed; default NULL */
  bool show_only;        /* train nothing: *model stays NULL */

  void (*on_data)(void *user, const wk_train_data *data);   /* once, before anything is learned; may be NULL */
  void (*on_epoch)(void *user, const wk_finetune_epoch *epoch); /* after each; may be NULL */
  void *user;
} wk_train_options;

/* The defaults of that kind. */
WK_API void wk_train_options_init(wk_train_options *o, wk_train_kind kind);
WK_API wk_status wk_train_options_validate(const wk_train_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_train_options_table(void);

/* ---- report ------------------------------------------------------------------------------------ */

typedef struct wk_precision_outcome {
  int asked;         /* as in wk_train_options */
  wk_precision used;
  bool compared;     /* with float32 */
  wk_precision_report report;
} wk_precision_outcome;

typedef enum wk_checked_on {
  WK_CHECKED_ON_NOTHING = 0,
  WK_CHECKED_ON_HELD_BACK, /* photos that were not learned from */
  WK_CHECKED_IN_TURN,      /* each photo by a head that had not seen it, to choose the penalty */
  WK_CHECKED_FOR_PENALTY   /* photos held back to choose the penalty */
} wk_checked_on;

typedef struct wk_train_report {
  wk_train_kind kind;
  char **labels;
  int class_count;
  size_t train_count, val_count; /* photos */
  size_t left_out_learned; /* photos that were to be checked on, but are copies of some to learn from */
  wk_checked_on checked_on;
  wk_interval val_top1;  /* of what was checked; NaN, 0, 1 where nothing was */
  wk_metrics *val;       /* on held-back photos: of what was kept; NULL without */
  int folds;             /* 0: none; else the next two are mean and standard deviation of the folds' accuracies */
  double folds_top1, folds_deviation;
  wk_head_kind head;
  wk_probe_report probe;
  wk_precision_outcome precision;
  size_t broken;         /* photos that could not be read */
  wk_finetune_result *finetune;  /* NULL for a probe. Its backbone and head are the model's: NULL here */
  double adversarial_eps_255; /* 0: photos were not attacked */
  double seconds_features, seconds_fit, seconds;
  char *model;           /* the file, and what was written beside it; NULL: none */
  char *history, *curve, *rates;
  uint64_t bytes;        /* of the model's file */
  char *shown, *shown_augment; /* the picture of changed photos, and the changes; NULL without */
  wk_lines warnings;
} wk_train_report;

/* Learns from `data` (a folder of class folders, a list, an archive: see data.h) and tests. *model (wk_model_free) and *report
 * (wk_train_report_free) may be asked for or not (NULL). A tuned run that is cancelled after an epoch gives the best so far, and
 * says so in report->finetune->cancelled. */
WK_API wk_status wk_train(wk_model **model, wk_train_report **report, wk_session *s, const char *data,
                          const wk_train_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_train_report_free(wk_train_report *r);
/* wk_free it; NULL: out of memory. So do the others. */
WK_API char *wk_train_report_json(const wk_train_report *r);

/* ---- models that live on ----------------------------------------------------------------------- */

/* Each changes one thing of the model in the file `model`, whose head was fitted here, and writes it to `out` (NULL: in its place). What was
 * changed is in its recipe. Classes are named exactly. */
WK_API wk_status wk_model_rename_class(wk_session *s, const char *model, const char *class_name, const char *to, const char *out,
                                       wk_error *err) WK_NODISCARD;
/* The others answer as if it had never been asked for. At least two must be left. */
WK_API wk_status wk_model_remove_class(wk_session *s, const char *model, const char *class_name, const char *out, wk_error *err) WK_NODISCARD;
/* Several classes become one called `to` (NULL: the first's name). The head is fitted anew to what is kept of the photos, which need not be
 * there any more: WK_ERR_NOT_FOUND where nothing is. *report: as of wk_train; may be NULL. */
WK_API wk_status wk_model_merge_classes(wk_train_report **report, wk_session *s, const char *model, const char *const *class_names,
                                        int count, const char *to, const char *out, wk_error *err) WK_NODISCARD;

/* ---- several ways side by side ----------------------------------------------------------------- */

/* How a row stands beside the one that the others are compared with. */
typedef enum wk_verdict {
  WK_VERDICT_BASE,   /* it is that row */
  WK_VERDICT_SAME,   /* the same, photo by photo (tricks: seed by seed) */
  WK_VERDICT_LEVEL,  /* not told apart by so few photos (tricks: seeds) */
  WK_VERDICT_BETTER, /* tricks alone: compare's other rows stand beside the best */
  WK_VERDICT_WORSE
} wk_verdict;
/* "base", "same", "level", "better", "worse"; NULL out of range. */
WK_API const char *wk_verdict_name(wk_verdict v);

typedef struct wk_compare_row {
  char *backbone, *shown; /* as it was given; without folders */
  char head[48];          /* "linear", "tuned last:1" */
  wk_interval top1;
  double loss;
  double photos_per_second; /* NaN where features were kept from before */
  double seconds_features, seconds_fit;
  uint64_t bytes; /* of the backbone's weights */
  int columns;
  size_t computed_count; /* features that were not kept from before */
  /* Beside the row that is right most often (the first of several), known when all rows are, on the photos that both could read: */
  wk_verdict verdict;    /* LEVEL where p_value is at least 0.05 */
  size_t only_best, only_this; /* photos that only the best row got right, and only this one */
  double p_value;        /* of wk_mcnemar */
  bool above_chance;     /* the interval of top1 lies above the comparison's chance */
} wk_compare_row;

typedef struct wk_compare_options {
  const char *backbones; /* with commas between; default "efficientnet_lite0" */
  bool heads[3];         /* by wk_head_kind; default linear alone */
  const char *depths;    /* of fine-tuning, with commas between; default NULL: none */
  int epochs;            /* of fine-tuning; default 0: its own */
  bool labels_from_name;
  const char *val;       /* as in wk_train_options, but a test/ folder checks where there is no val/ */
  const char *out;       /* a picture of the table, SVG; default NULL */
  void (*on_data)(void *user, const wk_train_data *data);
  void (*on_row)(void *user, const wk_compare_row *row);
  void *user;
} wk_compare_options;

WK_API void wk_compare_options_init(wk_compare_options *o);
WK_API wk_status wk_compare_options_validate(const wk_compare_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_compare_options_table(void);

typedef struct wk_comparison {
  wk_compare_row *rows;
  size_t row_count;
  size_t best;   /* the row that the others are compared with */
  double chance; /* share of the photos to check on that are of their commonest class: what naming it always would get right */
  size_t left_out_learned; /* as in wk_train_report */
  char *out; /* NULL: no picture */
  wk_lines warnings;
} wk_comparison;

/* All with the same split. Every network is fetched and opened before the first is computed. The photos to check on choose nothing. */
WK_API wk_status wk_compare(wk_comparison **out, wk_session *s, const char *data, const wk_compare_options *o,
                            wk_error *err) WK_NODISCARD;
WK_API void wk_comparison_free(wk_comparison *c);
WK_API char *wk_comparison_json(const wk_comparison *c);

/* ---- what each trick of training does ---------------------------------------------------------- */

typedef struct wk_trick_row {
  const char *trick, *setting; /* constants */
  double top1, deviation;      /* mean and standard deviation over seeds; NaN where every run diverged,
                                * the deviation also where only one did not */
  double seconds;              /* of a run */
  int seeds, diverged;
  wk_verdict verdict;          /* beside the base recipe: a mean that lies more than two standard errors of the difference away
                                * is better or worse; one seed has no deviation, and the intervals of its photos decide */
} wk_trick_row;

typedef struct wk_tricks_options {
  const char *backbone; /* an architecture; default "simple_cnn" */
  int epochs;           /* default 10 */
  int seeds;            /* runs of each row; default 3 */
  int size;             /* of the input; default 0: the architecture's own */
  bool labels_from_name;
  const char *val;      /* as in wk_compare_options */
  const char *out;      /* a picture of the table, SVG; default NULL */
  void (*on_data)(void *user, const wk_train_data *data);
  void (*on_row)(void *user, const wk_trick_row *row);
  void *user;
} wk_tricks_options;

WK_API void wk_tricks_options_init(wk_tricks_options *o);
WK_API wk_status wk_tricks_options_validate(const wk_tricks_options *o, wk_error *err) WK_NODISCARD;

typedef struct wk_tricks {
  wk_trick_row *rows; /* the first is the base recipe, which the others change one thing of */
  size_t row_count, row_total; /* rows measured, and what they would be without a stop */
  double chance;               /* as wk_comparison's */
  bool cancelled;              /* the rows are those that were finished */
  size_t left_out_learned;     /* as in wk_train_report */
  char *out; /* NULL: no picture */
  wk_lines warnings;
} wk_tricks;

/* A call that is cancelled after its first row gives the rows that it has; before it, WK_ERR_CANCELLED. */

WK_API wk_status wk_tricks_measure(wk_tricks **out, wk_session *s, const char *data, const wk_tricks_options *o,
                                   wk_error *err) WK_NODISCARD;
WK_API void wk_tricks_free(wk_tricks *t);
WK_API char *wk_tricks_json(const wk_tricks *t);

#ifdef __cplusplus
}
#endif
#endif
