/* export.c - the formats that models are written in, which one is meant, and the way to its writer. */
#include "whisker/export.h"

#include <string.h>
#include <strings.h>

#include "export/export.h"

/* ---- the table of writers ------------------------------------------------------------------------------ */

/* Where two have the same ending, or none, the name decides. */
static const wk_export_writer writers[] = {
    {.format = {.name = "onnx",
                .ending = ".onnx",
                .title = "ONNX, opset 17",
                .reads_back = true,
                .whole = true,
                .channels_first = true},
     .preprocessing = true,
     .write = wk_export_onnx},
    {.format = {.name = "tflite", .ending = ".tflite", .title = "TensorFlow Lite", .reads_back = true, .whole = true},
     .int8 = true,
     .write = wk_export_tflite},
    {.format = {.name = "torch",
                .ending = ".pth",
                .title = "PyTorch's state dict",
                .reads_back = true,
                .channels_first = true},
     .write = wk_export_torch},
    {.format = {.name = "safetensors",
                .ending = ".safetensors",
                .title = "safetensors, with timm's config.json beside it",
                .companion = "config.json",
                .reads_back = true,
                .channels_first = true},
     .write = wk_export_safetensors},
    {.format = {.name = "keras", .ending = ".keras", .title = "Keras 3", .reads_back = true, .whole = true},
     .preprocessing = true,
     .write = wk_export_keras},
    {.format = {.name = "h5", .ending = ".h5", .title = "Keras 2 and 3 (.h5)", .reads_back = true, .whole = true},
     .preprocessing = true,
     .write = wk_export_keras_h5},
    {.format = {.name = "teachable",
                .folder = true,
                .main = "model.json",
                .title = "Teachable Machine's folder (TensorFlow.js)",
                .reads_back = true,
                .whole = true,
                .mean = 127,
                .std = 127},
     .write = wk_export_teachable},
    {.format = {.name = "c",
                .ending = ".h",
                .title = "plain C, its weights beside it",
                .runs = true,
                .whole = true,
                .std = 1},
     .int8 = true,
     .write = wk_export_plain_c,
     .run = wk_export_plain_c_run},
};
enum { WRITERS = sizeof writers / sizeof *writers };

int wk_export_format_count(void) { return WRITERS; }

const wk_export_format *wk_export_format_at(int index) {
  return index >= 0 && index < WRITERS ? &writers[index].format : NULL;
}

/* ---- options --------------------------------------------------------------------------------------------- */

static const char *const where[] = {"outside", "inside", NULL};
static const char *const precisions[] = {"float32", "int8", NULL};
static const wk_option option_rows[] = {
    {.name = "format",
     WK_ROW_TEXT(wk_export_options, format),
     .automatic = "by the ending of the name",
     .placeholder = "FORMAT",
     .help = "what to write"},
    {.name = "preprocessing",
     WK_ROW_CHOICE(wk_export_options, preprocessing, where),
     .placeholder = "WHERE",
     .help = "where pixels from 0 to 255 are normalised: by who calls the network, or by its first layer (onnx, keras, "
             "h5)"},
    {.name = "precision",
     WK_ROW_CHOICE(wk_export_options, precision, precisions),
     .placeholder = "KIND",
     .help = "what weights, and values between layers, are written as (int8: tflite)"},
    {.name = "calibrate",
     WK_ROW_TEXT(wk_export_options, calibrate),
     .placeholder = "DATA",
     .help = "photos to find the ranges of int8 on, such as those it was trained on"},
    {0}};
static const wk_option_table options_table = {"export_options", sizeof(wk_export_options), option_rows, NULL};

const wk_option_table *wk_export_options_table(void) { return &options_table; }

void wk_export_options_init(wk_export_options *o) { wk_options_init(o, &options_table); }

wk_status wk_export_options_validate(const wk_export_options *o, wk_error *err) {
  return wk_options_validate(o, &options_table, err);
}

/* ---- which one ------------------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *ending) {
  const size_t n = strlen(path), m = ending ? strlen(ending) : 0;
  return m && n > m && strcasecmp(path + n - m, ending) == 0;
}

static wk_status fail_unknown(const char *what, const char *name, wk_error *err) {
  wk_text list = {0};
  for (int i = 0; i < WRITERS; i++) {
    const wk_export_format *f = &writers[i].format;
    wk_text_add(&list, "%s%s", i ? ", " : "", f->name);
    if (f->ending)
      wk_text_add(&list, " (%s)", f->ending);
  }
  wk_status st = WK_FAIL(err, WK_ERR_ARGUMENT, "%s: %s; there are %s", name, what, list.data ? list.data : "");
  wk_text_free(&list);
  return st;
}

static wk_status find(const wk_export_writer **out, const char *path, const wk_export_options *o, wk_error *err) {
  const char *name = o ? o->format : NULL;
  for (int i = 0; i < WRITERS; i++)
    if (name ? strcasecmp(name, writers[i].format.name) == 0 : ends_with(path, writers[i].format.ending)) {
      *out = &writers[i];
      return WK_OK;
    }
  return name ? fail_unknown("no such format to export to", name, err)
              : fail_unknown("its ending is that of no format; give one with --format", path, err);
}

wk_status wk_export_format_for(const wk_export_format **out, const char *path, const wk_export_options *o,
                               wk_error *err) {
  const wk_export_writer *w = NULL;
  WK_RETURN_IF_ERROR(find(&w, path, o, err));
  *out = &w->format;
  return WK_OK;
}

/* Can this be written so? */
static wk_status check_choice(const wk_export_writer *w, const char *path, const wk_export_options *o, wk_error *err) {
  if (o->preprocessing == WK_EXPORT_INSIDE && !w->preprocessing)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s: %s says how pixels are normalised, and leaves it to the caller", path,
                   w->format.name);
  if (o->precision == WK_EXPORT_INT8 && !w->int8)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s: %s is written as float32 alone; tflite and c can be int8", path,
                   w->format.name);
  if (o->precision == WK_EXPORT_INT8 && !o->photo_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "int8 needs photos to see between which values the layers move; name some with --calibrate");
  return WK_OK;
}

wk_status wk_export_write(const wk_model *m, const char *path, const wk_export_options *options, const wk_context *ctx,
                          wk_error *err) {
  wk_status st = WK_OK;
  wk_export_options o;
  const wk_export_writer *w = NULL;
  wk_export_options_init(&o);
  if (options)
    o = *options;
  WK_RETURN_IF_ERROR(wk_export_options_validate(&o, err));
  WK_RETURN_IF_ERROR(find(&w, path, &o, err));
  WK_RETURN_IF_ERROR(check_choice(w, path, &o, err));
  wk_export_job job = {.model = m, .path = path, .format = &w->format, .o = &o};
  WK_TRY(wk_net_create(&job.net, m, err));
  if (o.precision == WK_EXPORT_INT8)
    WK_TRY(wk_net_measure(&job.range, &job, ctx, err));
  if (w->format.folder)
    WK_TRY(wk_mkdir_p(path, err));
  WK_TRY(w->write(&job, err));
done:
  wk_net_free(job.net);
  return st;
}

wk_status wk_export_run(float *logits, const wk_model *m, const char *path, const wk_export_options *o,
                        const uint8_t *rgb, wk_error *err) {
  const wk_export_writer *w = NULL;
  WK_RETURN_IF_ERROR(find(&w, path, o, err));
  if (!w->run)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s: %s is not run but opened", path, w->format.title);
  wk_export_job job = {.model = m, .path = path, .format = &w->format, .o = o};
  WK_RETURN_IF_ERROR(wk_net_create(&job.net, m, err));
  wk_status st = w->run(logits, &job, rgb, err);
  wk_net_free(job.net);
  return st;
}
