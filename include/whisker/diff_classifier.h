/* diff_classifier.h - a model as a differentiable function from the pixels it sees to its class scores: what
 * explanations (attribution.h, visualize.h) and attacks (attack.h) stand on. No gradient of any weight is ever computed
 * here. */
#ifndef WHISKER_DIFF_CLASSIFIER_H
#define WHISKER_DIFF_CLASSIFIER_H

#include "whisker/model.h"
#include "whisker/train_nn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_diff_classifier_options {
  int height, width;    /* of the input; 0, 0: the model's own (another size needs a network that takes it) */
  int batch;            /* pictures a call; default 1 */
  int threads;          /* that share one layer; default 1 */
  const wk_node *layer; /* nodes whose activations and gradients are wanted; may be NULL */
  int layers;
  bool no_input; /* the gradient of the input is not wanted, those of the layers are enough */
} wk_diff_classifier_options;

WK_API void wk_diff_classifier_options_init(wk_diff_classifier_options *o);

/* One thread's classifier; make one a worker. */
typedef struct wk_diff_classifier wk_diff_classifier;

/* `m` must outlive the classifier. WK_ERR_UNSUPPORTED for a head without gradients (nearest neighbours). */
WK_API wk_status wk_diff_classifier_create(wk_diff_classifier **out, const wk_model *m,
                                           const wk_diff_classifier_options *o, wk_error *err) WK_NODISCARD;
/* Another thread's classifier that shares the packed weights of `base`, which must outlive it. */
WK_API wk_status wk_diff_classifier_share(wk_diff_classifier **out, const wk_diff_classifier *base,
                                          wk_error *err) WK_NODISCARD;
WK_API void wk_diff_classifier_free(wk_diff_classifier *l);
WK_API int wk_diff_classifier_classes(const wk_diff_classifier *l);

/* `count` pictures (1..batch), normalised as the model wants, [count, height, width, 3]; `input` must stay until
 * wk_diff_classifier_backward has returned. */
WK_API wk_status wk_diff_classifier_forward(wk_diff_classifier *l, const float *input, int count,
                                            wk_error *err) WK_NODISCARD;
/* Class scores before the softmax, [count, classes], with the head's temperature in them. Valid until the next forward.
 */
WK_API const float *wk_diff_classifier_scores(const wk_diff_classifier *l);
WK_API const float *wk_diff_classifier_layer(const wk_diff_classifier *l,
                                             int layer); /* activations of layer number `layer` */
/* For d loss / d scores, [count, classes]: makes d loss / d input and d loss / d layers. */
WK_API wk_status wk_diff_classifier_backward(wk_diff_classifier *l, const float *score_gradient,
                                             wk_error *err) WK_NODISCARD;
WK_API const float *
wk_diff_classifier_input_gradient(const wk_diff_classifier *l); /* [count, height, width, 3]; NULL with no_input */
WK_API const float *wk_diff_classifier_layer_gradient(const wk_diff_classifier *l, int layer);

/* Probabilities of one row of scores. */
WK_API void wk_diff_classifier_softmax(float *p, const float *scores, int classes);
/* Cross-entropy of class `target` (natural logarithm) for one row of scores; `gradient` [classes] (may be NULL)
 * receives d loss / d scores. */
WK_API double wk_diff_classifier_cross_entropy(float *gradient, const float *scores, int classes, int target);

#ifdef __cplusplus
}
#endif
#endif
