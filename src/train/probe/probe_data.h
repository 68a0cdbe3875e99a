/* probe_data.h - what heads are fitted on: features that are checked, weighted and standardised. */
#ifndef WK_TRAIN_PROBE_DATA_H
#define WK_TRAIN_PROBE_DATA_H

#include "base/base.h"

/* Every label in range, every class there, every feature finite. `mapped`: rows that have been gone through are let go.
 */
wk_status wk_probe_check_data(const float *x, const int *y, size_t rows, int columns, int classes, bool mapped,
                              wk_error *err);
/* Each row's share of the mean loss: the same for all, or for each class. */
wk_status wk_probe_row_weights(double *weight, const int *y, size_t rows, int classes, bool balance, wk_error *err);
/* Means and scales of the columns. Variances are drawn towards their common mean, so a column that hardly ever fires in
 * a few photos does not become a loud one. */
void wk_probe_scales(double *mean, double *scale, const float *x, size_t rows, int columns, bool mapped);
void wk_probe_standardise(float *z, const double *mean, const double *scale, const float *x, size_t rows, int columns);

#endif
