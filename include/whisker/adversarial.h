/* adversarial.h - heads that learn to withstand small changes of pixels (attack.h measures whether they do). */
#ifndef WHISKER_ADVERSARIAL_H
#define WHISKER_ADVERSARIAL_H

#include "whisker/learn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_adversarial_options {
  double eps_255; /* largest change of a value, in grey levels of 255; default 1 */
  int rounds;     /* times that all photos are attacked and the head is fitted again; default 4 */
  int steps;      /* gradients of an attack; default 2 */
} wk_adversarial_options;

WK_API void wk_adversarial_options_init(wk_adversarial_options *o);

/* Adversarial training of a linear head on a frozen backbone. `start` is the head so far, fitted on the first `rows` rows of `f`, with
 * labels `y`; f->index tells which of `path` a row belongs to. Each round attacks every photo against the head so far and fits it anew
 * on the photos as they are and all attacked ones; memory grows by the features of all photos a round. `probe` should give l2 and
 * temperature: attacked copies of a photo are no held-out data. Stages of progress: "attacked", "classifier". The same for any number
 * of threads. WK_ERR_ARGUMENT for an impossible bound, rounds or steps. */
WK_API wk_status wk_probe_fit_adversarial(wk_head **out, const wk_head *start, const wk_backbone *b, const wk_features *f,
                                          const char *const *path, const int *y, size_t rows, const wk_probe_options *probe,
                                          const wk_adversarial_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
