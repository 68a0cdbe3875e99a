/* run_rows.h (internal) - what a run says of each photo, and what follows from it: how often it is right on photos it
 * did not learn from, which classes it confuses, and from which confidence on its answers can be trusted. */
#ifndef WK_STUDIO_RUN_ROWS_H
#define WK_STUDIO_RUN_ROWS_H

#include "fault.h"
#include "whisker/metrics.h"

/* Classes are the project's numbers; -1: none. */
typedef struct wk_run_row {
  uint64_t id;
  int label, predicted, second;
  float p, p_label; /* of `predicted`; of `label`, NaN without */
  bool learned;     /* it learned from this photo, or a copy of it */
  bool test;        /* the photo was set aside by the user, and decided nothing */
} wk_run_row;

wk_status wk_run_rows_write(const char *path, const wk_run_row *rows, size_t count, wk_error *err);
/* free(*out). */
wk_status wk_run_rows_read(wk_run_row **out, size_t *count, const char *path, wk_fault *f);

/* Is the row one to judge by: it has a label and was not learned from? */
bool wk_run_row_judged(const wk_run_row *row);
bool wk_run_row_right(const wk_run_row *row);
/* "judged" (photos), "right" {value, low, high}, "learned" (photos with a label that it learned from), "test" (the same
 * two of the photos set aside; null without) into `run`. */
void wk_run_summary_add(json_t *run, const wk_run_row *rows, size_t count);
json_t *wk_interval_json(wk_interval i);
/* "confusion" [[truth, predicted, photos], ...] and "per_class" [{class, photos, right {}, precision}] of judged rows;
 * by the rows' labels. */
json_t *wk_run_confusion(const wk_run_row *rows, size_t count, int classes);
json_t *wk_run_per_class(const wk_run_row *rows, size_t count, int classes);
/* "at most `wrong` in 100 answers": the confidence is chosen on one half of the judged photos and judged on the other.
 */
json_t *wk_run_promise(const wk_run_row *rows, size_t count, double wrong);
/* The first of the two on photos that both judged: how much oftener the second is right, with its interval. */
json_t *wk_run_compare(const wk_run_row *a, size_t a_count, const wk_run_row *b, size_t b_count);

#endif
