/* program.h (internal) - a network as plain C before it is text: the kernels' calls in their order, and where
 * everything lies. It is printed as a header, and run as it stands by what reads the written weights back. */
#ifndef WK_EXPORT_PROGRAM_H
#define WK_EXPORT_PROGRAM_H

#include "export/export.h"
#include "export/plain_c/runtime/layer.h"

/* The kernels, by their names in the runtime: nn_conv and so on. */
#define WK_C_KERNELS(X)                                                                                                \
  X(conv)                                                                                                              \
  X(depthwise)                                                                                                         \
  X(affine)                                                                                                            \
  X(curves)                                                                                                            \
  X(add)                                                                                                               \
  X(multiply)                                                                                                          \
  X(scale)                                                                                                             \
  X(round)                                                                                                             \
  X(max_pool)                                                                                                          \
  X(avg_pool)                                                                                                          \
  X(adaptive_avg_pool)                                                                                                 \
  X(flatten)                                                                                                           \
  X(copy)                                                                                                              \
  X(slice)                                                                                                             \
  X(pad)                                                                                                               \
  X(shuffle)                                                                                                           \
  X(lrn)                                                                                                               \
  X(shares)

typedef enum wk_c_kernel {
#define ROW(name) WK_C_##name,
  WK_C_KERNELS(ROW)
#undef ROW
      WK_C_conv_rgb, /* these two read the photo's bytes */
  WK_C_rgb,
  WK_C_KERNEL_COUNT
} wk_c_kernel;

enum { WK_C_NOTHING = -1, WK_C_PHOTO = -2 };

/* In 8 bits a number is scale * (byte - zero). */
typedef struct wk_c_quant {
  float scale;
  int32_t zero;
} wk_c_quant;

typedef struct wk_c_step {
  wk_c_kernel kernel;
  nn_layer layer;
  wk_c_quant of_in, of_other, of_out; /* in 8 bits */
  int64_t out, in, other;             /* in the working memory, in numbers; or WK_C_NOTHING, WK_C_PHOTO */
  size_t weights;                     /* in the file of weights, in bytes; 0: it has none */
  int of;                             /* the layer of the net */
} wk_c_step;

typedef struct wk_c_program {
  wk_net *net;
  wk_c_step *step; /* of the net's arena, as all here */
  int steps;
  bool *turned;         /* [layers] a flatten that is really in the order (c, h, w) */
  wk_c_quant *quant;    /* [layers] in 8 bits; NULL: float32 */
  int64_t logits;       /* where they are, in numbers */
  wk_c_quant end;       /* and theirs, in 8 bits */
  size_t work_numbers;  /* working memory */
  size_t weight_bytes;  /* the whole file */
  uint32_t fingerprint; /* of the file behind its head, once it is written */
} wk_c_program;

enum {
  WK_C_HEAD = 16
}; /* bytes of the file before what is in it: "WKC1", its size, two words of zeros. In 8 bits each
      layer's scale and zero come first */

const char *wk_c_kernel_name(wk_c_kernel k);
/* The net's layers as calls, without weights; with `quant` [layers] in 8 bits. */
wk_status wk_c_program_make(wk_c_program *out, wk_net *net, wk_c_quant *quant, wk_error *err);
/* How the ranges that were seen are divided over a byte. */
wk_status wk_c_quantise(wk_c_quant **out, wk_net *net, const wk_net_range *range, wk_error *err);
/* weights.c: the file of weights; sets the fingerprint. */
wk_status wk_c_weights_write(wk_c_program *p, const char *path, wk_error *err);
/* print.c: the header, whose names begin with `prefix`; `weights` is the other file's name. */
wk_status wk_c_print(const wk_c_program *p, const char *path, const char *prefix, const char *weights, wk_error *err);
/* replay.c: the logits of a photo's pixels by the calls as they are printed and the file of weights. */
wk_status wk_c_replay(float *logits, const wk_c_program *p, const uint8_t *file, const uint8_t *rgb, wk_error *err);

#endif
