/* activation.h (internal) - the activations that kernels apply to what they have just computed. */
#ifndef WK_NN_ACTIVATION_H
#define WK_NN_ACTIVATION_H

typedef enum wk_act {
  WK_ACT_NONE = 0,
  WK_ACT_RELU,
  WK_ACT_RELU6,
  WK_ACT_HARDSWISH,
  WK_ACT_HARDSIGMOID,
  WK_ACT_SILU,
  WK_ACT_SIGMOID,
  WK_ACT_GELU
} wk_act;

#endif
