/* tflite_layers.h (internal) - between the files that make TensorFlow Lite's tensors and operators of layers. */
#ifndef WK_EXPORT_TFLITE_LAYERS_H
#define WK_EXPORT_TFLITE_LAYERS_H

#include "export/tflite_file.h"

typedef struct wk_tfl_quant { /* real = (stored - zero) * scale */
  float scale;
  int zero;
} wk_tfl_quant;

typedef struct wk_tfl {
  wk_tflite_file f;
  wk_net *n;
  bool small;      /* 8 bits: every value has a quant; else floats, and quants are not looked at */
  wk_tfl_quant *q; /* [layers] */
  int *value;      /* [layers] tensors */
  char none[1];    /* a name, after a failure */
} wk_tfl;

wk_tfl_quant wk_tfl_quant_of(wk_net_range r);

/* ---- tflite_values.c; -1 after a failure, which sticks in f.failed ---- */
char *wk_tfl_name(wk_tfl *t, const char *layer, const char *suffix);
int wk_tfl_value(wk_tfl *t, const char *name, const int32_t *shape, int ndim, wk_tfl_quant q);
int wk_tfl_layer_value(wk_tfl *t, const char *name, const wk_net_layer *l, wk_tfl_quant q); /* of the layer's shape */
int wk_tfl_ints(wk_tfl *t, const char *layer, const char *suffix, const int32_t *value, int count,
                int rows); /* rows of 2; 0: a list */
int wk_tfl_floats(wk_tfl *t, const char *layer, const char *suffix, const float *value, int count, bool scalar);
/* out: weight and bias. `axis`: each slice has a step of its own, -1: one for all. `in`: the input's step. weight and
 * bias must live as long as the net. */
void wk_tfl_weights(wk_tfl *t, int out[2], const char *layer, const float *weight, const int32_t *shape, int ndim,
                    int axis, const float *bias, int outputs, float in);

/* tflite_layers.c: the operators of one layer. */
wk_status wk_tfl_layer(wk_tfl *t, int index, wk_error *err);

#endif
