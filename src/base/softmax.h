/* softmax.h (internal) - scores to probabilities, in double: the one softmax, log-sum-exp and largest class of
 * everything above the engine, which has kernels of its own. */
#ifndef WK_BASE_SOFTMAX_H
#define WK_BASE_SOFTMAX_H

/* log of the sum of exp(scale * x) over n > 0 scores; no overflow however large they are. */
double wk_log_sum_exp(const float *x, int n, double scale);
/* p = softmax(score / temperature); p may be score. */
void wk_scores_softmax(float *p, const float *score, int n, double temperature);
void wk_scores_softmax_wide(float *p, const double *score, int n, double temperature);
/* The largest of n > 0 scores or probabilities, of equals the first; of all but number `but`, -1: of all. */
int wk_best_class(const float *score, int n, int but);
int wk_best_class_wide(const double *score, int n);

#endif
