/* onednn_conv.h - one convolution by oneDNN, on arrays of its own: what whisker's kernels are measured against. */
#ifndef BENCH_ONEDNN_CONV_H
#define BENCH_ONEDNN_CONV_H

typedef struct onednn_shape {
  int batch, in_h, in_w, in_c, out_h, out_w, out_c, groups;
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_left, pad_bottom, pad_right;
} onednn_shape;

typedef enum onednn_kind { ONEDNN_FORWARD, ONEDNN_DATA, ONEDNN_WEIGHTS } onednn_kind;

typedef struct onednn_conv onednn_conv;

/* In NHWC, the weights in whatever layout the library likes best; forward with a bias and ReLU, weights with the bias's
 * gradient. Run on one thread. Ends the program with a message where the library cannot. */
onednn_conv *onednn_conv_create(const onednn_shape *s, onednn_kind kind);
void onednn_conv_run(onednn_conv *c);
void onednn_conv_free(onednn_conv *c);

#endif
