/* sorting.h - photos put into folders by what a model says they are: links or copies, never the photos themselves, all of it undone by the
 * list that lies in the folder; once, or as photos arrive. */
#ifndef WHISKER_SORTING_H
#define WHISKER_SORTING_H

#include "whisker/options.h"
#include "whisker/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_sort_options {
  const char *into;   /* the folder; a class is a folder in it. It must not lie among the photos */
  bool copy;          /* copies instead of symbolic links; default false */
  double threshold;   /* photos whose likeliest class is less likely than this go to `unsure`; default 0.5 */
  const char *unsure; /* default "unsure" */
  bool watch;         /* go on as photos arrive in the folder `photos`, until the session's callback says stop; default false */
  /* After each photo that was filed: its name, the class (or `unsure`) and how likely it is. May be NULL. */
  void (*on_photo)(void *user, const char *photo, const char *folder, double p);
  void *user;
} wk_sort_options;

WK_API void wk_sort_options_init(wk_sort_options *o);
WK_API const wk_option_table *wk_sort_options_table(void);

typedef struct wk_sort_report {
  size_t filed_count;   /* by this call */
  size_t unsure_count;  /* of them */
  size_t before_count;  /* that were there from before */
  size_t broken_count;  /* photos that could not be read: not filed */
  char **labels;        /* [label_count] of the model */
  size_t *label_photos; /* [label_count] filed by this call */
  int label_count;
  wk_lines warnings;
} wk_sort_report;

/* `photos`: a folder, list, archive or photo. A photo that was filed before, and has not changed, is not filed again: a call that was
 * interrupted, even killed, is simply made again. WK_ERR_IO where the disk is full: what was filed is on the list, and nothing is
 * half done. Stages of progress: as wk_predict. */
WK_API wk_status wk_sort_photos(wk_sort_report **out, wk_session *s, const wk_model *m, const char *photos,
                                const wk_sort_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_sort_report_free(wk_sort_report *r);
WK_API char *wk_sort_report_json(const wk_sort_report *r);
/* Takes away what lies in `folder` by its list, and folders that are empty then. Files that have changed since stay: *kept. Either may be
 * NULL. WK_ERR_NOT_FOUND: there is no list. */
WK_API wk_status wk_sort_undo(size_t *removed, size_t *kept, wk_session *s, const char *folder, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
