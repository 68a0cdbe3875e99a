/* adam.h - Adam (Kingma, Ba 2015): the one rule for whoever descends by it, with PyTorch's order of operations. */
#ifndef WK_TRAIN_ADAM_H
#define WK_TRAIN_ADAM_H

#include <math.h>

typedef struct wk_adam {
  float beta1, rest1, beta2, rest2, eps;
  float correct1, root2; /* 1 / (1 - beta1^t), sqrt(1 - beta2^t) */
} wk_adam;

/* For step t = 1, 2, ... */
static inline wk_adam wk_adam_at(double beta1, double beta2, double eps, double t) {
  return (wk_adam){.beta1 = (float)beta1,
                   .rest1 = (float)(1 - beta1),
                   .beta2 = (float)beta2,
                   .rest2 = (float)(1 - beta2),
                   .eps = (float)eps,
                   .correct1 = (float)(1 / (1 - pow(beta1, t))),
                   .root2 = (float)sqrt(1 - pow(beta2, t))};
}

/* Takes the gradient into the moments m and v; what the learning rate is multiplied by. */
static inline float wk_adam_direction(float *m, float *v, float gradient, const wk_adam *a) {
  *m = a->beta1 * *m + a->rest1 * gradient;
  *v = a->beta2 * *v + a->rest2 * gradient * gradient;
  return *m * a->correct1 / (sqrtf(*v) / a->root2 + a->eps);
}

#endif
