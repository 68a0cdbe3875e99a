/* workflow.h (internal) - what the files of the room share: one call of a session with what it warned of, texts as
 * people and JSON get them, and photos cut into those to learn from and those to check on. */
#ifndef WK_WORKFLOW_INTERNAL_H
#define WK_WORKFLOW_INTERNAL_H

#include <jansson.h>

#include "base/base.h"
#include "whisker/collection.h"
#include "whisker/session.h"
#include "whisker/training.h"

wk_status wk_no_memory(wk_error *err); /* WK_ERR_MEMORY, "out of memory" */

/* ---- session.c: one call ---------------------------------------------------------------------- */

/* A session's function while it runs: its context hands callbacks on, and keeps what it is warned of. */
typedef struct wk_call {
  wk_session *session;
  wk_context ctx;
  wk_lines warnings;
  bool no_memory; /* a warning is missing */
  double began;
} wk_call;

/* Returns WK_ERR_ARGUMENT from the function where one of the pointers, which are named as its header names them, is NULL. */
#define WK_NEED(err, ...)                                                                                              \
  do {                                                                                                                 \
    const void *const given_[] = {__VA_ARGS__};                                                                        \
    WK_RETURN_IF_ERROR(wk_need(#__VA_ARGS__, given_, sizeof given_ / sizeof *given_, err));                            \
  } while (0)
wk_status wk_need(const char *names, const void *const *given, size_t count, wk_error *err);

/* `call` must not move until it has ended. */
void wk_call_begin(wk_call *call, wk_session *s);
/* What was warned of that no report has taken is kept for the session's next report. */
void wk_call_end(wk_call *call);
/* Everything that the session was warned of and no report has yet, oldest first. */
wk_status wk_call_take_warnings(wk_lines *out, wk_call *call, wk_error *err);
double wk_call_seconds(const wk_call *call); /* since it began */
/* One line to the session's note callback. */
void wk_call_note(const wk_call *call, const char *fmt, ...) WK_PRINTF(2, 3);
wk_status wk_call_open_model(wk_model **out, wk_call *call, const char *name, const char *arch, wk_error *err);

/* Takes `line` in any case; NULL (an allocation that failed) gives false. */
bool wk_lines_add(wk_lines *l, char *line);
void wk_lines_free(wk_lines *l);

/* Classes are the model's where the photos are sorted into these, else the collection's own; none is fine, too. The first
 * `most` photos of every class; 0: all. `out` is zeroed before and freed after, whatever is returned. */
wk_status wk_call_feature_set(wk_feature_set *out, const wk_call *call, const wk_model *m, const char *data,
                              bool labels_from_name, int most, wk_error *err);
extern const wk_option_table wk_name_table; /* for options that hold others inside them */
/* `out` is zeroed before and freed after, whatever is returned. `o` may be NULL. Warnings are the call's. */
wk_status wk_call_name_photos(wk_named_photos *out, wk_call *call, const char *const *name, size_t names,
                              const wk_name_options *o, wk_error *err);

/* ---- figures.c: numbers as people read them ---------------------------------------------------- */

typedef struct wk_figure {
  char text[48];
} wk_figure;
wk_figure wk_figure_count(uint64_t n);       /* 12,345 */
wk_figure wk_figure_percent(double share);   /* 98.8%; "-" when not finite */
wk_figure wk_figure_interval(wk_interval i); /* 97.7-99.6, in percent, with an en dash */

/* ---- report_json.c ---------------------------------------------------------------------------- */

json_t *wk_report_text(const char *s);     /* bytes that are no UTF-8 become U+FFFD; NULL becomes null */
json_t *wk_report_number(double v);        /* null when not finite */
json_t *wk_report_interval(wk_interval i); /* [low, high] */
json_t *wk_report_labels(char *const *labels, int n);
json_t *wk_report_lines(const wk_lines *l);
/* As the command prints it; takes the object (NULL: no memory). wk_free it; NULL: no memory. */
char *wk_report_print(json_t *object);
/* The same on one line, as model files hold it. */
char *wk_report_compact(json_t *object);

/* ---- holdout.c: what is learned from and what is checked on ------------------------------------ */

typedef struct wk_holdout_options {
  bool labels_from_name;
  const char *val;              /* a fraction, or data of its own; NULL: see holdout.c */
  bool always;                  /* without `val` and val/, hold a fifth back even where there is a test/ */
  bool test_checks;             /* without `val` and val/, test/ is what is checked on */
  const struct wk_roster *add; /* photos that are learned from as well (roster.h); NULL: none */
  const char *group_by;         /* what photos have in common that stay on one side (photo_groups.c); NULL: nothing but copies */
  const char *exclude, *labels; /* lists of photos to leave out, and of corrected labels (exclusion.h); NULL: none */
} wk_holdout_options;

typedef struct wk_holdout {
  wk_dataset *data, *val_data; /* val_data: that of `val` */
  wk_photo_list photos;
  size_t held_count;                  /* the last photos: checked on, not learned from */
  size_t left_out_learned;            /* that were to be checked on, but are copies of photos to learn from */
  wk_photo_hash *hashes;              /* [photos.count] */
  uint8_t (*sha256)[WK_SHA256_BYTES]; /* [photos.count] of their bytes; zeros: could not be read */
  uint8_t (*known)[WK_SHA256_BYTES];  /* [data->photo_count] of their bytes, as far as they were looked at; else zeros */
  size_t *number;                     /* [photos.count] of the photo in `data`; SIZE_MAX: it is from val_data */
  uint32_t *group;                    /* [photos.count] the first photo of its group: copies, and what group_by says */
  size_t added[3];                    /* with `add`: new photos, those in place of older ones, new classes */
  int *y;                             /* [rows] labels, after wk_holdout_rows */
  uint32_t *row_group;                /* [rows] likewise wk_probe_options.group; NULL: no copies */
  size_t learn_rows, check_rows;
} wk_holdout;

/* `path` NULL: the photos of o->add alone. `t` is zeroed before and freed after, whatever is returned. */
wk_status wk_holdout_open(wk_holdout *t, wk_call *call, const char *path, const wk_holdout_options *o, wk_error *err);
/* For what compares ways to learn: a test/ checks, too, and it is an error where nothing would be checked on. */
wk_status wk_holdout_open_to_check(wk_holdout *t, wk_call *call, const char *path, bool labels_from_name, const char *val,
                                   wk_error *err);
/* Joins the groups of photos that have something in common: `how` is "folder", or a regular expression (POSIX, extended) whose match in the
 * name, or that of its first parentheses, is what they share. group[i] is the number of the first photo of i's group, before and after. */
wk_status wk_group_photos(uint32_t *group, const char *const *name, size_t count, const char *how, wk_error *err);
/* Which rows of the photos' features are for what: the first learn_rows to learn from, then those to check on. */
wk_status wk_holdout_rows(wk_holdout *t, const wk_features *f, wk_error *err);
void wk_holdout_free(wk_holdout *t);
/* The share of the commonest class among the photos to check on. */
wk_status wk_holdout_chance(double *chance, const wk_holdout *t, wk_error *err);
/* What is learned from, for a model to remember; with `all` what is checked on, too: it has chosen something, or the head was fitted on
 * it in the end. */
wk_status wk_holdout_learned(wk_photo_set **out, const wk_holdout *t, bool all, wk_error *err);
/* Tells on_data (may be NULL) of the photos. */
void wk_holdout_tell(const wk_holdout *split, const char *name, void (*on_data)(void *, const wk_train_data *),
                     void *user);

/* ---- learned.c: what a model has learned from --------------------------------------------------- */

/* What the photos are known by, kept where features are. */
wk_status wk_call_prints(wk_prints **out, const wk_call *call, const wk_photo_list *photos,
                         const uint8_t (*sha256)[WK_SHA256_BYTES], wk_error *err); /* sha256: those that are known; may be NULL */
/* Takes the photos that the model learned from, and their copies, out of the list (unless `with_learned`), and counts
 * them. A model that does not know has learned from none. */
wk_status wk_leave_out_learned(size_t *learned, wk_photo_list *photos, const wk_call *call, const wk_model *m,
                               bool with_learned, wk_error *err);

/* ---- precision_choice.c, from_scratch.c, show_augment.c: steps of training --------------------- */

/* Sets the backbone's precision as asked, and its ranges; compares it with float32 and notes what came out; auto takes
 * it back where it is not accurate or not worth it. */
wk_status wk_precision_choose(wk_precision_outcome *out, wk_call *call, wk_backbone *b, int asked, const wk_holdout *s,
                              const wk_features_options *o, wk_error *err);
json_t *wk_precision_outcome_json(const wk_precision_outcome *p);
/* The input's size and the augmentation that suit the photos, where they are not given. */
wk_status wk_suit_scratch(wk_call *call, const wk_holdout *s, wk_preprocess *p, wk_augment *augment, bool size_given,
                          bool augment_given, wk_error *err);
/* A PNG of some photos as training will change them. */
wk_status wk_show_augment(wk_call *call, const wk_holdout *s, const wk_preprocess *p, const wk_finetune_options *o,
                          const char *path, wk_error *err);

/* ---- train_probe.c, train_tune.c: the two ways ------------------------------------------------- */

/* One wk_train as it runs. */
typedef struct wk_training {
  const struct wk_roster *roster; /* of the model that is added to; NULL: none */
  wk_call call;
  const wk_train_options *o;
  wk_finetune_options finetune; /* o->finetune, with what suits the photos */
  wk_holdout split;
  wk_backbone *backbone; /* NULL once the model has it */
  wk_train_report *report;
  wk_model *model;
} wk_training;

/* Fits the model in the file `model` anew to what is on record (roster.h), as it was trained, and writes it to `out`. */
wk_status wk_train_roster(wk_train_report **report, wk_session *s, const char *model, const struct wk_roster *r,
                          const char *out, wk_error *err);
wk_status wk_train_probe(wk_training *t, wk_error *err);
wk_status wk_train_tune(wk_training *t, wk_error *err);
/* Writes the model to o->out, where that is set; the report knows its size then. */
wk_status wk_training_save(wk_training *t, bool light, wk_error *err);
/* The files that a tuned run writes beside its model: what stands there and is not whisker's is an error. */
wk_status wk_finetune_check_outputs(const char *out, const wk_finetune_options *o, wk_error *err);

#endif
