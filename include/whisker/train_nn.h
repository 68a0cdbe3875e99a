/* train_nn.h - gradients through a network (nn.h). Knows neither losses nor optimisers nor pictures.
 *
 *   wk_grad_plan, wk_grad_exec   a fixed network: d score / d pixels, or / d any layer. For looking and attacking
 *   wk_trainer                   a network that changes: d loss / d parameters of a whole batch, on all cores
 *
 * Both give the same bits for any number of threads.
 */
#ifndef WHISKER_TRAIN_NN_H
#define WHISKER_TRAIN_NN_H

#include "whisker/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- gradients of a fixed network -------------------------------------------------------------- */

/* Inference mode: batch norm by its running statistics (and folded), no dropout, no gradients of weights. */
typedef struct wk_grad_options {
  int height, width;     /* of the input; 0, 0: the graph's default */
  int batch;             /* photos a call; default 1 */
  int threads;           /* that share one layer; default 1 */
  const wk_node *seed;   /* nodes at which gradients are fed in; NULL: the logits, else the features */
  int seeds;
  const wk_node *target; /* nodes whose gradients are wanted; NULL: the input */
  int targets;
  const wk_node *output; /* nodes whose activations are wanted besides the seeds'; may be NULL */
  int outputs;
  bool no_winograd; /* only plain sums, as in wk_plan_options */
} wk_grad_options;

WK_API void wk_grad_options_init(wk_grad_options *o);

typedef struct wk_grad_plan wk_grad_plan; /* read-only, shared by threads; `g` must outlive it, `weights` need not */
typedef struct wk_grad_exec wk_grad_exec; /* one thread's working memory */

/* WK_ERR_ARGUMENT where no seed depends on a target. */
WK_API wk_status wk_grad_plan_create(wk_grad_plan **out, const wk_graph *g, const wk_tensors *weights,
                                     const wk_grad_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_grad_plan_free(wk_grad_plan *plan);
WK_API size_t wk_grad_plan_exec_bytes(const wk_grad_plan *plan); /* working memory of each wk_grad_exec */

WK_API wk_status wk_grad_exec_create(wk_grad_exec **out, const wk_grad_plan *plan, wk_error *err) WK_NODISCARD;
WK_API void wk_grad_exec_free(wk_grad_exec *exec);
/* `count` photos (1..batch), [count, h, w, c]; `input` must stay until wk_grad_backward has returned. */
WK_API wk_status wk_grad_forward(wk_grad_exec *exec, const float *input, int count, wk_error *err) WK_NODISCARD;
/* Activations after forward, [count, h, w, c]: of seed number i, of output number i. Valid until the next forward. */
WK_API const float *wk_grad_output(const wk_grad_exec *exec, int seed);
WK_API const float *wk_grad_activation(const wk_grad_exec *exec, int output);
/* gradient[i] is d loss / d (activation of seed i), [count, h, w, c] for the photos of the last forward. May be called again
 * with other gradients for the same forward. */
WK_API wk_status wk_grad_backward(wk_grad_exec *exec, const float *const *gradient, wk_error *err) WK_NODISCARD;
/* d loss / d (activation of target i), [count, h, w, c]. Valid until the next forward or backward. */
WK_API const float *wk_grad_result(const wk_grad_exec *exec, int target);

/* ---- training ---------------------------------------------------------------------------------- */

typedef enum wk_norm_mode {
  WK_NORM_FROZEN = 0, /* batch norm uses its running statistics, which stay; its weight and bias may still train */
  WK_NORM_BATCH       /* statistics of the whole batch, as PyTorch's train(); running statistics move */
} wk_norm_mode;

typedef struct wk_trainer_options {
  int height, width;       /* of the network's input, also where training starts at a later node; 0, 0: the default */
  int batch;               /* photos a step at most; default 32 */
  int micro_batch;               /* photos whose gradients are made in one piece; default 4. The result depends on it (in the
                              last bits), but not on the number of threads */
  wk_node from;            /* activations of this node are the input of a step; -1 (default): the network's input */
  wk_node to;              /* where the loss is fed in; -1 (default): the logits */
  const bool *trainable;   /* [wk_graph_param_count]: which parameters change; NULL: all that can and lie between */
  wk_norm_mode norm;       /* default WK_NORM_FROZEN */
  float norm_momentum;     /* default 0.1: running = 0.9 running + 0.1 batch */
  float dropout;           /* share dropped at every dropout layer; negative (default): each layer's own */
  float stochastic_depth;  /* share of photos that skip the last residual branch, falling linearly to the first
                              (Huang et al., "Deep networks with stochastic depth", ECCV 2016); default 0 */
  bool input_gradient;     /* wk_trainer_input_gradient will be called */
  bool no_winograd;              /* only plain sums, as in wk_plan_options */
} wk_trainer_options;

WK_API void wk_trainer_options_init(wk_trainer_options *o);

typedef struct wk_trainer wk_trainer;

/* The deepest node that everything `to` (-1: the logits) needs passes through and before which nothing trains: its activations
 * can be computed once and kept (dropouts before it are then off). The input where training starts at the first layer; -1
 * when `to` is not there. */
WK_API wk_node wk_train_boundary(const wk_graph *g, wk_node to, const bool *trainable);

/* Copies what it needs of `weights`: trainable parameters into one flat array, the others packed. `g` must outlive it.
 * WK_ERR_ARGUMENT where `from` can be bypassed, nothing trains, or the options are impossible. */
WK_API wk_status wk_trainer_create(wk_trainer **out, const wk_graph *g, const wk_tensors *weights,
                                   const wk_trainer_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_trainer_free(wk_trainer *t);
/* Everything the trainer will hold at its peak with so many threads, parameters and gradients included: known before
 * the first step. */
WK_API size_t wk_trainer_bytes(const wk_trainer *t, int threads);
WK_API wk_shape wk_trainer_input_shape(const wk_trainer *t);  /* of one photo at `from` */
WK_API wk_shape wk_trainer_output_shape(const wk_trainer *t); /* of one photo at `to` */

/* Where a parameter lies in a flat array; PyTorch's layout. */
typedef struct wk_slot {
  const wk_param_info *param;
  size_t offset, count; /* in floats */
} wk_slot;

/* Trainable parameters, in the order of the graph, and their gradients after a step. An optimiser changes the parameters in
 * place, between steps. */
WK_API int wk_trainer_slots(const wk_trainer *t);
WK_API const wk_slot *wk_trainer_slot(const wk_trainer *t, int index);
WK_API size_t wk_trainer_size(const wk_trainer *t); /* floats */
WK_API float *wk_trainer_params(wk_trainer *t);
WK_API const float *wk_trainer_gradient(const wk_trainer *t);
/* Running statistics that move (WK_NORM_BATCH), for checkpoints; none in WK_NORM_FROZEN. */
WK_API int wk_trainer_stat_slots(const wk_trainer *t);
WK_API const wk_slot *wk_trainer_stat_slot(const wk_trainer *t, int index);
WK_API size_t wk_trainer_stats_size(const wk_trainer *t);
WK_API float *wk_trainer_stats(wk_trainer *t);
WK_API void wk_trainer_set_norm_momentum(wk_trainer *t, float momentum);

/* Called once a micro-batch, from any worker and from several at once, with what the network gave for photos
 * first..first+count-1 of the batch: output and gradient are [count, shape of `to`]. Writes d loss / d output, and adds
 * the micro-batch's part of the loss to *loss. The parts are summed as a fixed tree. */
typedef wk_status (*wk_loss_fn)(void *user, float *gradient, double *loss, const float *output, int first, int count,
                                wk_error *err);

/* One forward and backward pass over `count` photos (1..batch), [count, shape at `from`], on the context's threads.
 * `stream` numbers the step: dropout and stochastic depth draw from (ctx->seed, stream, photo's place in the batch, layer).
 * With loss_fn NULL only the forward pass is run (which moves running statistics in WK_NORM_BATCH). */
WK_API wk_status wk_trainer_step(wk_trainer *t, double *loss, const float *input, int count, uint64_t stream,
                                 wk_loss_fn loss_fn, void *user, const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* The same pass for d loss / d input into `gradient`, [count, shape at `from`], with the parameters as they are now: those of the
 * parameters are not made, and running statistics stay. Followed by a step with the same stream, both see the same dropout.
 * WK_ERR_ARGUMENT unless the trainer was made with `input_gradient`. */
WK_API wk_status wk_trainer_input_gradient(wk_trainer *t, float *gradient, double *loss, const float *input, int count,
                                           uint64_t stream, wk_loss_fn loss_fn, void *user, const wk_context *ctx,
                                           wk_error *err) WK_NODISCARD;

/* Adds every parameter of the graph to `out`, which has none of them yet: those that train with their current values
 * (copied), the others from `base` (as views: it must outlive `out`). For evaluating (wk_plan_create) and saving. */
WK_API wk_status wk_trainer_export(const wk_trainer *t, wk_tensors *out, const wk_tensors *base,
                                   wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
