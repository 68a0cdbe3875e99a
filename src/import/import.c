/* import.c - a network's file opened: which reader it is for, the layers made of it, how photos are prepared for it,
 * and the names of its classes. */
#include <dirent.h>
#include <string.h>
#include <strings.h>

#include "import/lower.h"
#include "import/pixels.h"
#include "import/reader.h"

/* What lives as long as the weights: the mapped file, and what was unfolded. */
typedef struct source {
  wk_file_view view;
  wk_ir ir;
} source;

static void release_source(void *user) {
  source *s = user;
  wk_ir_free(&s->ir);
  wk_file_unmap(&s->view);
  wk_free(s);
}

static void rest_source(void *user) { wk_file_release_pages(&((source *)user)->view); }

/* ---- which reader ------------------------------------------------------------------------------- */

const wk_reader wk_readers[WK_READERS] = {
    {wk_tflite_is, wk_tflite_read}, {wk_keras_h5_is, wk_keras_h5_read}, {wk_keras_zip_is, wk_keras_zip_read},
    {wk_tfjs_is, wk_tfjs_read},     {wk_onnx_is, wk_onnx_read},
};

static int reader_of(const wk_file_view *v) {
  for (int i = 0; i < WK_READERS; i++)
    if (wk_readers[i].is(v->data, v->size))
      return i;
  return -1;
}

/* In a folder, what it is about: Teachable Machine's model.json, keras_model.h5, model.tflite. NULL: nothing known. */
static char *file_in(const char *folder) {
  static const char *const known[] = {"model.json",   "keras_model.h5",       "model.keras", "model.onnx",
                                      "model.tflite", "model_unquant.tflite", "model.h5"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    char *path = wk_path_join(folder, known[i]);
    if (path && wk_path_exists(path))
      return path;
    wk_free(path);
  }
  return NULL;
}

bool wk_import_is(const char *path) {
  wk_file_view view;
  char *inside = wk_path_is_dir(path) ? file_in(path) : NULL;
  bool is = false;
  if ((inside || !wk_path_is_dir(path)) && wk_file_map(&view, inside ? inside : path, NULL) == WK_OK) {
    is = reader_of(&view) >= 0;
    wk_file_unmap(&view);
  }
  wk_free(inside);
  return is;
}

/* ---- names of classes ----------------------------------------------------------------------------- */

enum { LABELS_LIMIT = 16 << 20 };

static wk_status labels_from(wk_ir *ir, const char *path, wk_error *err) {
  uint8_t *text = NULL;
  size_t size;
  WK_RETURN_IF_ERROR(wk_file_read(&text, &size, path, LABELS_LIMIT, err));
  wk_status st = wk_labels_guess(ir, (const char *)text, err);
  wk_free(text);
  return st;
}

/* labels.txt and its kin in the same folder, when it lists as many as there are. */
static wk_status labels_beside(wk_ir *ir, const char *path, int classes, wk_error *err) {
  static const char *const known[] = {"labels.txt",      "metadata.json",      "classes.txt", "labels.json",
                                      "class_names.txt", "class_indices.json", "config.json"};
  bool found = false;
  for (size_t i = 0; !found && i < sizeof known / sizeof *known; i++) {
    char *file = wk_path_beside(path, known[i]);
    if (!file)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for labels");
    ir->labels = 0;
    found = wk_path_exists(file) && labels_from(ir, file, NULL) == WK_OK && ir->labels == classes;
    wk_free(file);
  }
  if (!found)
    ir->labels = 0;
  return WK_OK;
}

static wk_status copy_labels(wk_import *out, const wk_ir *ir, wk_error *err) {
  if (!ir->labels || ir->labels != out->classes)
    return WK_OK;
  out->label = wk_calloc((size_t)out->classes, sizeof *out->label);
  for (int i = 0; out->label && i < out->classes; i++)
    if (!(out->label[i] = wk_strdup(ir->label[i])))
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for labels");
  return out->label ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for labels");
}

static wk_status find_labels(wk_import *out, wk_ir *ir, const char *path, const wk_import_options *o, wk_error *err) {
  if (o->labels) {
    ir->labels = 0;
    WK_RETURN_IF_ERROR(labels_from(ir, o->labels, err));
    if (ir->labels != out->classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s names %d classes; the network has %d", o->labels, ir->labels,
                     out->classes);
  } else if (ir->labels != out->classes) {
    WK_RETURN_IF_ERROR(labels_beside(ir, path, out->classes, err));
  }
  return copy_labels(out, ir, err);
}

/* ---- how photos are prepared ---------------------------------------------------------------------- */

static bool has(const char *text, const char *part) { return strcasestr(text, part) != NULL; }

/* What networks of that maker mostly want. */
static wk_pixel_convention usual(const wk_ir *ir, const wk_graph *g) {
  if (ir->convention >= 0)
    return (wk_pixel_convention)ir->convention;
  if (has(ir->maker, "CNTK"))
    return WK_PIXELS_BYTES;
  if (strcmp(ir->format, "ONNX") != 0 || has(ir->maker, "tf2onnx") || has(ir->maker, "keras") || ir->channels_last)
    return WK_PIXELS_TF;
  if (has(ir->maker, "Paddle") && g->node[g->input].out_height != g->node[g->input].out_width)
    return WK_PIXELS_TF; /* PaddleOCR's; its photos of objects are square */
  return WK_PIXELS_TORCH;
}

static wk_status prepare_pixels(wk_import *out, const wk_ir *ir, const wk_lowered *low, const wk_import_options *o,
                                wk_error *err) {
  wk_preprocess *p = &out->preprocess;
  const char *where;
  char what[120];
  *p = (wk_preprocess){.rule = WK_CROP_SQUASH, .filter = WK_FILTER_BICUBIC, .grey = low->grey};
  p->height = low->graph->node[low->graph->input].out_height;
  p->width = low->graph->node[low->graph->input].out_width;
  p->resize = p->height < p->width ? p->height : p->width;
  if (has(ir->maker, "pytorch") && p->height == p->width) { /* torchvision's crop */
    wk_preprocess usual_crop;
    wk_preprocess_init(&usual_crop);
    p->rule = WK_CROP_KEEP;
    p->resize = p->height * usual_crop.resize / usual_crop.height;
  }
  out->assumed = false;
  bool inside = false;
  const bool prepared = ir->prepared && wk_prepared_read(p, &inside, ir->prepared);
  if (prepared && inside) /* its first layers do it, seen as an affine of the pixels or not */
    wk_pixels_set(p, WK_PIXELS_BYTES);
  if (o->pixels) {
    WK_RETURN_IF_ERROR(wk_pixels_parse(p, o->pixels, err));
    where = "as asked for";
  } else if (prepared) {
    where = "as its metadata say";
  } else if (ir->said) {
    memcpy(p->mean, ir->mean, sizeof p->mean);
    memcpy(p->std, ir->std, sizeof p->std);
    where = ir->said_where;
  } else if (low->pixel_affine) {
    /* Its first layers take bytes to small numbers, or numbers from 0 to 1 to such with a mean of 0. */
    wk_pixels_set(p, low->pixel_scale[0] < 0.1f ? WK_PIXELS_BYTES : WK_PIXELS_UNIT);
    where = "as its own first layers do";
  } else {
    wk_pixels_set(p, usual(ir, low->graph));
    out->assumed = true;
    where = ir->convention_of ? ir->convention_of : "as networks of its kind mostly want it";
  }
  /* Who asks for small numbers says what the layers behind a rescaling of bytes are to see: it is not done twice. */
  const bool instead = o->pixels && low->pixel_scale[0] < 0.1f && p->std[0] > 10;
  if (low->pixel_affine && !instead)
    wk_pixels_through(p, low->pixel_scale, low->pixel_shift);
  WK_RETURN_IF_ERROR(wk_preprocess_validate(p, err));
  wk_pixels_describe(what, p);
  out->prepared = wk_asprintf("%s%s, %s%s", low->grey ? "grey, " : "", what, out->assumed ? "assumed: " : "", where);
  return out->prepared ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
}

/* PaddleOCR's classifier of upright and turned lines leaves its size open: 48 x 192. */
static void usual_size(int *height, int *width, const wk_ir *ir) {
  const wk_ir_value *in = &ir->value[ir->input], *end = &ir->value[ir->output];
  if (!*height && has(ir->maker, "Paddle") && in->ndim == 4 && in->shape[2] < 0 && end->ndim == 2 && end->shape[1] == 2)
    *height = 48, *width = 192;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static wk_status open_ir(wk_import *out, source *s, const char *path, const wk_import_options *o, wk_error *err) {
  wk_lowered low = {0};
  int height = o->height, width = o->width;
  const int reader = reader_of(&s->view);
  if (reader < 0)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "not a network that whisker reads: ONNX, TensorFlow Lite, Keras and TensorFlow.js are");
  WK_RETURN_IF_ERROR(wk_readers[reader].read(&s->ir, s->view.data, s->view.size, path, err));
  usual_size(&height, &width, &s->ir);
  WK_RETURN_IF_ERROR(wk_lower_network(&low, &s->ir, height, width, err));
  out->graph = low.graph;
  out->weights = low.weights;
  out->classes = low.classes;
  out->features = low.features;
  out->format = *s->ir.maker ? wk_asprintf("%s of %.60s", s->ir.format, s->ir.maker) : wk_strdup(s->ir.format);
  if (!out->format)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  WK_RETURN_IF_ERROR(prepare_pixels(out, &s->ir, &low, o, err));
  return find_labels(out, &s->ir, path, o, err);
}

wk_status wk_import_open(wk_import *out, const char *path, const wk_import_options *o, wk_error *err) {
  wk_status st = WK_OK;
  wk_import made = {0};
  const wk_import_options none = {0};
  char *inside = wk_path_is_dir(path) ? file_in(path) : NULL;
  source *s = wk_calloc(1, sizeof *s);
  WK_FAIL_IF(!s, err, WK_ERR_MEMORY, "out of memory for a network");
  wk_ir_init(&s->ir);
  st = wk_file_map(&s->view, inside ? inside : path, err); /* its message has the path already */
  if (st != WK_OK) {
    wk_free(s);
    wk_free(inside);
    return st;
  }
  WK_TRY(open_ir(&made, s, inside ? inside : path, o ? o : &none, err));
  wk_free(s->ir.value); /* what was lowered needs the numbers alone */
  wk_free(s->ir.op);
  s->ir.value = NULL;
  s->ir.op = NULL;
  WK_TRY(wk_tensors_keep(made.weights, release_source, rest_source, s, err));
  s = NULL;
  *out = made;
  made = (wk_import){0};
done:
  if (st != WK_OK)
    st = wk_error_prefix(err, st, "%s", inside ? inside : path);
  wk_import_free(&made);
  if (s)
    release_source(s);
  wk_free(inside);
  return st;
}

void wk_import_free(wk_import *i) {
  if (!i)
    return;
  wk_graph_free(i->graph);
  wk_tensors_free(i->weights);
  for (int k = 0; i->label && k < i->classes; k++)
    wk_free(i->label[k]);
  wk_free(i->label);
  wk_free(i->format);
  wk_free(i->prepared);
  *i = (wk_import){0};
}

wk_status wk_labels_read(char ***out, int *count, const char *path, wk_error *err) {
  wk_ir ir;
  wk_ir_init(&ir);
  wk_import holder = {0};
  wk_status st = labels_from(&ir, path, err);
  if (st == WK_OK && !ir.labels)
    st = WK_FAIL(err, WK_ERR_FORMAT, "%s lists no names of classes: one a line is read, or JSON", path);
  if (st == WK_OK) {
    holder.classes = ir.labels;
    st = copy_labels(&holder, &ir, err);
  }
  if (st == WK_OK) {
    *out = holder.label;
    *count = ir.labels;
    holder.label = NULL;
  }
  wk_import_free(&holder);
  wk_ir_free(&ir);
  return st;
}
