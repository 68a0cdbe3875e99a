/* temperature_scaling.h - one number that makes a classifier's probabilities honest. */
#ifndef WK_LEARN_CALIBRATE_H
#define WK_LEARN_CALIBRATE_H

#include "base/base.h"

/* Finds the temperature T that makes softmax(score / T) fit the labels best (Guo, Pleiss, Sun, Weinberger: "On
 * Calibration of Modern Neural Networks", ICML 2017), on scores the classifier was not fitted to. `weight` [rows] sums
 * to 1; NULL: all the same. The truth is taken to be wrong once in rows + 2 photos (Platt 1999), so that T stays finite
 * when every photo is right. *loss: mean cross-entropy, with that smoothing, at T. *temperature is the start (1 where
 * nothing is known). */
void wk_temperature_fit(double *temperature, double *loss, const double *score, const int *label, const double *weight,
                        size_t rows, int classes);

#endif
