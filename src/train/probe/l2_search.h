/* l2_search.h - the parts of the linear probe, apart from the fit itself (logreg.h). */
#ifndef WK_TRAIN_L2_SEARCH_H
#define WK_TRAIN_L2_SEARCH_H

#include "train/probe/logreg.h"
#include "whisker/probe.h"

/* What was found on photos held out. */
typedef struct wk_probe_choice {
  double l2, temperature;
  double top1, loss; /* held-out; loss at that temperature */
  size_t held_out;
  int classes_searched; /* fewer than there are: a sample */
  double products;      /* what it cost: rows x classes x columns of every evaluation of the loss */
  bool cross_validated;
} wk_probe_choice;

/* How strong a penalty serves these data best. p->weight are the weights of a fit on all rows. Where nothing can be
 * held out (no class has two photos) the choice is a fixed one, with top1 and loss NaN. `start` [wk_logreg_params],
 * zeros, gets weights for the final fit to begin at where such were found; else it stays. */
wk_status wk_probe_choose_l2(wk_probe_choice *out, double *start, const wk_logreg *p, const wk_probe_options *o,
                             wk_progress *progress, const wk_context *ctx, wk_error *err);
/* Steps of progress that a choice takes at most. */
size_t wk_probe_choice_steps(void);

/* The heads that compare photos by cosine. */
wk_status wk_probe_fit_near(wk_head **out, wk_probe_report *report, const float *x, const int *y, size_t rows,
                            int columns, int classes, const wk_probe_options *o, const wk_context *ctx, wk_error *err);

#endif
