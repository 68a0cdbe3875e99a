/* softmax.c - see softmax.h. The largest score is taken away first, so nothing overflows; sums run in order. */
#include "base/softmax.h"

#include <math.h>

double wk_log_sum_exp(const float *x, int n, double scale) {
  double top = (double)x[0], sum = 0;
  for (int i = 1; i < n; i++)
    top = (double)x[i] > top ? (double)x[i] : top;
  for (int i = 0; i < n; i++)
    sum += exp(scale * ((double)x[i] - top));
  return scale * top + log(sum);
}

void wk_scores_softmax(float *p, const float *score, int n, double temperature) {
  double top = (double)score[0], sum = 0;
  for (int i = 1; i < n; i++)
    top = (double)score[i] > top ? (double)score[i] : top;
  for (int i = 0; i < n; i++)
    sum += exp(((double)score[i] - top) / temperature);
  for (int i = 0; i < n; i++)
    p[i] = (float)(exp(((double)score[i] - top) / temperature) / sum);
}

void wk_scores_softmax_wide(float *p, const double *score, int n, double temperature) {
  double top = score[0], sum = 0;
  for (int i = 1; i < n; i++)
    top = score[i] > top ? score[i] : top;
  for (int i = 0; i < n; i++)
    sum += exp((score[i] - top) / temperature);
  for (int i = 0; i < n; i++)
    p[i] = (float)(exp((score[i] - top) / temperature) / sum);
}

int wk_best_class(const float *score, int n, int but) {
  int best = -1;
  for (int i = 0; i < n; i++)
    if (i != but && (best < 0 || score[i] > score[best]))
      best = i;
  return best;
}

int wk_best_class_wide(const double *score, int n) {
  int best = 0;
  for (int i = 1; i < n; i++)
    best = score[i] > score[best] ? i : best;
  return best;
}
