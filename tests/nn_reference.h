/* nn_reference.h - a network computed naively in double precision, node by node, straight from the definitions: what
 * the planner, its fusions and every kernel are checked against. And random networks to check them with. */
#ifndef WK_TEST_NN_REFERENCE_H
#define WK_TEST_NN_REFERENCE_H

#include "support.h"

/* The parameters in double precision, by number; NULL: absent. */
double **ref_params(const wk_graph *g, const wk_tensors *weights);
void ref_params_free(double **param, const wk_graph *g);

/* Activations of every node for `count` photos at height x width (0, 0: default): out[node] is [count, h, w, c]. With
 * norm_batch batch norms use the statistics of these photos. */
double **ref_forward(const wk_graph *g, double *const *param, bool norm_batch, const double *input, int count,
                     int height, int width);
void ref_free(double **activation, const wk_graph *g);

/* Weights for every parameter, in ranges that keep activations near 1. With `statistics` batch norms have running ones.
 */
wk_tensors *ref_weights(const wk_graph *g, wk_rng *rng, bool statistics);

/* A random legal network of about `layers` layers; the last node, flat, is features and logits. */
wk_graph *ref_random_graph(wk_rng *rng, int layers);

#endif
