/* export.h - a model as a file of another framework. What is written computes the same: the backbone's layers with
 * batch norms folded into them, the head, the labels, and how photos are prepared. Heads that are one linear layer can
 * be exported, and networks with a classifier of their own; nearest-neighbour heads cannot. */
#ifndef WHISKER_EXPORT_H
#define WHISKER_EXPORT_H

#include "whisker/model.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One format that models are written in. */
typedef struct wk_export_format {
  const char *name;      /* "onnx": what --format takes */
  const char *ending;    /* ".onnx": a path that ends so is meant to be of this format; NULL: a folder without a mark */
  bool folder;           /* the path is a folder, which is made */
  const char *main;      /* in a folder, the file that is opened: "model.json"; NULL: the path itself */
  const char *title;     /* "ONNX, opset 17" */
  const char *companion; /* a JSON file that is always written beside: "config.json"; NULL: none */
  bool reads_back;       /* whisker opens what it wrote, */
  bool runs;             /* or does not, but can run it: wk_export_run */
  bool channels_first;   /* its input is [N, 3, height, width]; else [N, height, width, 3] */
  float mean,
      std;    /* how every network of this format wants its pixels: (byte - mean) / std; std 0: as the model does */
  bool whole; /* it holds the graph, the labels and how pixels are normalised; else weights by name alone */
} wk_export_format;

WK_API int wk_export_format_count(void);
WK_API const wk_export_format *wk_export_format_at(int index); /* NULL: not there */

typedef enum wk_export_preprocessing {
  WK_EXPORT_OUTSIDE = 0, /* the input is normalised as the model's preprocessing says */
  WK_EXPORT_INSIDE       /* the input is red, green, blue from 0 to 255; normalising is the network's first layer */
} wk_export_preprocessing;

typedef enum wk_export_precision { WK_EXPORT_FLOAT32 = 0, WK_EXPORT_INT8 } wk_export_precision;

typedef struct wk_export_options {
  const char *format;                    /* by its name; default NULL: by the path's ending */
  wk_export_preprocessing preprocessing; /* where normalising is done; ONNX alone has a choice */
  wk_export_precision precision;         /* of weights and of what lies between layers; formats that say so */
  const char *calibrate;     /* for int8: photos (collection.h), whose values 8 bits are divided over; wk_export
                                looks at 100 of them */
  const char *const *photos; /* [photo_count] the same as files, for wk_export_write; no option of the table */
  size_t photo_count;
} wk_export_options;

WK_API const wk_option_table *wk_export_options_table(void);
WK_API void wk_export_options_init(wk_export_options *o);
WK_API wk_status wk_export_options_validate(const wk_export_options *o, wk_error *err) WK_NODISCARD;

/* The format that `path` and o (may be NULL) ask for. WK_ERR_ARGUMENT lists what there is. */
WK_API wk_status wk_export_format_for(const wk_export_format **out, const char *path, const wk_export_options *o,
                                      wk_error *err) WK_NODISCARD;
/* Writes m to `path`; each file is complete or not there. WK_ERR_UNSUPPORTED, with what to do instead, for a model
 * that the format cannot hold. The result depends on the model
 * and the options alone. ctx (may be NULL): threads, and progress while photos are looked at. */
WK_API wk_status wk_export_write(const wk_model *m, const char *path, const wk_export_options *o, const wk_context *ctx,
                                 wk_error *err) WK_NODISCARD;

/* What lies beside an export at `path` that o describes (in the folder, for formats that are one): NAME.preprocess.py
 * and NAME.preprocess.js, which make the input of a photo as the model does, NAME.selftest.png, a picture, and
 * NAME.selftest.json with its logits (wk_model_logits) [label_count]. */
WK_API wk_status wk_export_beside(const wk_model *m, const char *path, const wk_export_options *o, const float *logits,
                                  wk_error *err) WK_NODISCARD;
/* Where such a file lies: "preprocess.py" beside "a/mine.onnx" is "a/mine.preprocess.py". wk_free it; NULL: no memory.
 */
WK_API char *wk_export_beside_path(const char *path, const wk_export_format *f, const char *name);

/* The logits, [label_count], that the files written at `path` give, for pixels as m's preprocessing makes them: of
 * formats that `runs`. m and o are those that they were written with. */
WK_API wk_status wk_export_run(float *logits, const wk_model *m, const char *path, const wk_export_options *o,
                               const uint8_t *rgb, wk_error *err) WK_NODISCARD;

/* The logits of m, [label_count], for pixels as m's preprocessing makes them (height x width x 3 bytes), computed in
 * float32: softmax of them gives its probabilities. Of a linear head they are divided by its temperature. `pixels` says
 * how bytes become the input; NULL: as m's preprocessing does. */
WK_API wk_status wk_model_logits(float *out, const wk_model *m, const uint8_t *rgb, int height, int width,
                                 const wk_pixels *pixels, wk_error *err) WK_NODISCARD;
/* A picture that is the same everywhere, 320 x 240, with edges, gradients and colours: what exports are tried with. */
WK_API wk_status wk_export_test_picture(wk_image *out, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
