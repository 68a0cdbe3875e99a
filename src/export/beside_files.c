/* beside_files.c - what lies beside an export: how a photo becomes the input, in a few lines of Python and of JavaScript that
 * do exactly this model's resize and crop, and a picture with the logits that must come out. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/softmax.h"
#include "export/export.h"

/* What the input is, for who calls the network. */
typedef struct input {
  wk_preprocess p;     /* red, green, blue */
  bool first_channels; /* NCHW, else NHWC */
  bool bytes;          /* 8 bits as they are */
  bool normalised;     /* by the caller */
  char model[120];     /* the export's name, as it can be in a comment: letters, digits, and few others */
} input;

static void plain_name(char *out, size_t size, const char *name) {
  size_t n = 0;
  for (; *name && n + 1 < size; name++)
    out[n++] = isalnum((unsigned char)*name) || strchr("._- ", *name) ? *name : '_';
  out[n] = 0;
}

void wk_export_rgb(wk_preprocess *p) {
  if (!p->bgr)
    return;
  const float mean = p->mean[0], std = p->std[0];
  p->mean[0] = p->mean[2], p->mean[2] = mean;
  p->std[0] = p->std[2], p->std[2] = std;
  p->bgr = false;
}

/* ---- Python ----------------------------------------------------------------------------------------------- */

static void python_resize(wk_text *t, const wk_preprocess *p) {
  static const char *const filter[] = {
      [WK_FILTER_BILINEAR] = "BILINEAR", [WK_FILTER_BICUBIC] = "BICUBIC", [WK_FILTER_NEAREST] = "NEAREST"};
  const char *how = filter[p->filter];
  if (p->rule == WK_CROP_SQUASH) {
    wk_text_add(t, "    image = image.resize((%d, %d), Image.%s)\n", p->width, p->height, how);
    return;
  }
  wk_text_add(t, "    w, h = image.size\n");
  if (p->rule == WK_CROP_KEEP)
    wk_text_add(t, "    side = min(w, h) if %d <= min(w, h) < %d else %d\n",
                p->width > p->height ? p->width : p->height, p->resize, p->resize);
  else
    wk_text_add(t, "    side = %d\n", p->resize);
  wk_text_add(t, "    w, h = (int(side * w / h), side) if w >= h else (side, int(side * h / w))\n");
  wk_text_add(t, "    x, y = [round((a - b) / 2) if a >= b else -((b - a) // 2) for a, b in ((w, %d), (h, %d))]\n",
              p->width, p->height);
  wk_text_add(t, "    image = image.resize((w, h), Image.%s).crop((x, y, x + %d, y + %d))\n", how, p->width, p->height);
}

static void list(wk_text *t, const float value[3]) {
  wk_text_add(t, "[%.9g, %.9g, %.9g]", (double)value[0], (double)value[1], (double)value[2]);
}

static void python(wk_text *t, const input *i) {
  wk_text_add(t,
              "\"\"\"How a photo becomes the input of %s; written by whisker. Needs numpy and Pillow.\"\"\"\n"
              "import numpy\nfrom PIL import Image, ImageOps\n\n\n"
              "def preprocess(photo):\n"
              "    image = ImageOps.exif_transpose(Image.open(photo)).convert(\"RGB\")\n",
              i->model);
  if (i->p.grey)
    wk_text_add(t, "    image = image.convert(\"L\").convert(\"RGB\")\n");
  python_resize(t, &i->p);
  wk_text_add(t, "    pixels = numpy.asarray(image, \"%s\")\n", i->bytes ? "uint8" : "float32");
  if (i->normalised) {
    wk_text_add(t, "    pixels = (pixels - numpy.float32(");
    list(t, i->p.mean);
    wk_text_add(t, ")) / numpy.float32(");
    list(t, i->p.std);
    wk_text_add(t, ")\n");
  }
  wk_text_add(t, "    return pixels%s[None]\n", i->first_channels ? ".transpose(2, 0, 1)" : "");
}

/* ---- JavaScript --------------------------------------------------------------------------------------------- */

/* Which pixels an output pixel is a sum of, and how much of each: Pillow's, whose filters grow as a picture shrinks. */
static void javascript_taps(wk_text *t, wk_filter filter) {
  if (filter == WK_FILTER_NEAREST) {
    wk_text_add(t, "  const taps = (i, from, to) => [[Math.min(from - 1, Math.floor((i + 0.5) * from / to)), 1]];\n");
    return;
  }
  if (filter == WK_FILTER_BICUBIC)
    wk_text_add(t, "  const kernel = (x) => (x = Math.abs(x)) < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? "
                   "((2.5 - 0.5 * x) * x - 4) * x + 2 : 0;\n");
  else
    wk_text_add(t, "  const kernel = (x) => Math.max(0, 1 - Math.abs(x));\n");
  wk_text_add(
      t,
      "  const taps = (i, from, to) => {\n"
      "    const f = Math.max(from / to, 1), c = (i + 0.5) * from / to, r = %d * f, list = [];\n"
      "    for (let k = Math.max(0, Math.floor(c - r + 0.5)); k < Math.min(from, Math.floor(c + r + 0.5)); k++)\n"
      "      list.push([k, kernel((k + 0.5 - c) / f)]);\n"
      "    const sum = list.reduce((s, t) => s + t[1], 0);\n"
      "    return list.map(([k, v]) => [k, v / sum]);\n"
      "  };\n",
      filter == WK_FILTER_BICUBIC ? 2 : 1);
}

static void javascript_sides(wk_text *t, const wk_preprocess *p) {
  if (p->rule == WK_CROP_SQUASH) {
    wk_text_add(t, "  const w = %d, h = %d, x0 = 0, y0 = 0;\n", p->width, p->height);
    return;
  }
  wk_text_add(t, "  const shorter = Math.min(width, height), side = ");
  if (p->rule == WK_CROP_KEEP)
    wk_text_add(t, "shorter >= %d && shorter < %d ? shorter : %d;\n", p->width > p->height ? p->width : p->height,
                p->resize, p->resize);
  else
    wk_text_add(t, "%d;\n", p->resize);
  wk_text_add(t,
              "  const w = width >= height ? Math.trunc(side * width / height) : side;\n"
              "  const h = width >= height ? side : Math.trunc(side * height / width);\n"
              "  const even = (n) => n %% 4 === 3 ? (n + 1) / 2 : Math.floor(n / 2);\n"
              "  const x0 = w >= %d ? even(w - %d) : -Math.floor((%d - w) / 2);\n"
              "  const y0 = h >= %d ? even(h - %d) : -Math.floor((%d - h) / 2);\n",
              p->width, p->width, p->width, p->height, p->height, p->height);
}

static void javascript(wk_text *t, const input *i) {
  const wk_preprocess *p = &i->p;
  wk_text_add(t,
              "// How a photo becomes the input of %s; written by whisker. `pixels` are the upright photo's as\n"
              "// getImageData gives them, 4 bytes each.\n"
              "function preprocess(pixels, width, height) {\n",
              i->model);
  javascript_sides(t, p);
  javascript_taps(t, p->filter);
  if (p->grey)
    wk_text_add(t,
                "  const at = (k, c) => (19595 * pixels[k] + 38470 * pixels[k + 1] + 7471 * pixels[k + 2] + 32768) >> "
                "16;\n");
  else
    wk_text_add(t, "  const at = (k, c) => pixels[k + c];\n");
  if (i->normalised) {
    wk_text_add(t, "  const mean = ");
    list(t, p->mean);
    wk_text_add(t, ", std = ");
    list(t, p->std);
    wk_text_add(t, ";\n");
  }
  wk_text_add(
      t,
      "  const rows = [], columns = Array.from({length: %d}, (_, x) => x + x0 < 0 || x + x0 >= w ? [] : taps(x + "
      "x0, width, w));\n"
      "  const row = (k) => rows[k] || (rows[k] = Uint8ClampedArray.from({length: %d}, (_, n) =>\n"
      "    columns[Math.floor(n / 3)].reduce((s, [j, v]) => s + v * at(4 * (k * width + j), n %% 3), 0)));\n"
      "  const out = new %s(%d);\n"
      "  for (let y = 0; y < %d; y++) {\n"
      "    const lines = y + y0 < 0 || y + y0 >= h ? [] : taps(y + y0, height, h);\n"
      "    const line = Uint8ClampedArray.from({length: %d}, (_, n) => lines.reduce((s, [k, v]) => s + v * "
      "row(k)[n], 0));\n",
      p->width, 3 * p->width, i->bytes ? "Uint8Array" : "Float32Array", 3 * p->width * p->height, p->height,
      3 * p->width);
  const char *value = i->normalised ? "(line[n] - mean[n % 3]) / std[n % 3]" : "line[n]";
  if (i->first_channels)
    wk_text_add(t, "    for (let n = 0; n < %d; n++) out[n %% 3 * %d + y * %d + Math.floor(n / 3)] = %s;\n",
                3 * p->width, p->width * p->height, p->width, value);
  else
    wk_text_add(t, "    for (let n = 0; n < %d; n++) out[y * %d + n] = %s;\n", 3 * p->width, 3 * p->width, value);
  wk_text_add(t, "  }\n  return out;\n}\n\nif (typeof module === \"object\") module.exports = preprocess;\n");
}

/* ---- the self-test ------------------------------------------------------------------------------------------- */

static json_t *numbers(const float *value, int count) {
  json_t *a = json_array();
  for (int i = 0; i < count; i++)
    json_array_append_new(a, json_real((double)value[i]));
  return a;
}

static void self_test(wk_text *t, const input *i, const wk_model *m, const float *logits, const char *photo,
                      float *probability) {
  json_t *labels = json_array(), *how = wk_export_preprocess_json(&i->p);
  for (int c = 0; c < m->label_count; c++)
    json_array_append_new(labels, wk_export_text(m->labels[c]));
  json_object_set_new(how, "normalised", json_string(i->normalised ? "outside" : "inside"));
  wk_scores_softmax(probability, logits, m->label_count, 1);
  char *text = wk_export_compact(json_pack(
      "{s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "about", "whisker's self-test of an export: the photo's logits", "model",
      i->model, "photo", photo, "layout", i->first_channels ? "NCHW" : "NHWC", "type", i->bytes ? "uint8" : "float32",
      "preprocess", how, "labels", labels, "logits", numbers(logits, m->label_count), "probabilities",
      numbers(probability, m->label_count)));
  if (text)
    wk_text_add(t, "%s\n", text);
  else
    t->failed = true;
  wk_free(text);
}

/* ---- the files ----------------------------------------------------------------------------------------------------
 */

char *wk_export_beside_path(const char *path, const wk_export_format *f, const char *name) {
  if (f->folder)
    return wk_path_join(path, name);
  const size_t n = strlen(path), ending = f->ending ? strlen(f->ending) : 0;
  const size_t keep = n > ending && ending && strcasecmp(path + n - ending, f->ending) == 0 ? n - ending : n;
  return wk_asprintf("%.*s.%s", (int)keep, path, name);
}

static wk_status write(wk_text *t, const char *path, const wk_export_format *f, const char *name, wk_error *err) {
  char *file = wk_export_beside_path(path, f, name);
  wk_status st = file && !t->failed ? wk_file_write(file, t->data, t->len, err) : wk_export_no_memory(err);
  wk_free(file);
  wk_text_free(t);
  return st;
}

static wk_status write_photo(const char *file, wk_error *err) {
  wk_image picture = {0};
  wk_status st = wk_export_test_picture(&picture, err);
  if (st == WK_OK)
    st = wk_image_save_png(&picture, file, err);
  wk_image_free(&picture);
  return st;
}

wk_status wk_export_beside(const wk_model *m, const char *path, const wk_export_options *o, const float *logits,
                           wk_error *err) {
  wk_status st = WK_OK;
  wk_text t = {0};
  const wk_export_format *f = NULL;
  float *probability = wk_alloc_array((size_t)m->label_count, sizeof *probability);
  char *photo = NULL;
  input i = {.p = m->backbone->preprocess};
  plain_name(i.model, sizeof i.model, wk_path_base(path));
  WK_FAIL_IF(!probability, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(wk_export_format_for(&f, path, o, err));
  wk_export_rgb(&i.p);
  for (int c = 0; f->std > 0 && c < 3; c++)
    i.p.mean[c] = f->mean, i.p.std[c] = f->std;
  i.first_channels = f->channels_first;
  i.bytes = o && o->precision == WK_EXPORT_INT8;
  i.normalised = !i.bytes && !(o && o->preprocessing == WK_EXPORT_INSIDE);
  photo = wk_export_beside_path(path, f, "selftest.png");
  WK_FAIL_IF(!photo, err, WK_ERR_MEMORY, "out of memory for an export");
  python(&t, &i);
  WK_TRY(write(&t, path, f, "preprocess.py", err));
  javascript(&t, &i);
  WK_TRY(write(&t, path, f, "preprocess.js", err));
  self_test(&t, &i, m, logits, wk_path_base(photo), probability);
  WK_TRY(write(&t, path, f, "selftest.json", err));
  WK_TRY(write_photo(photo, err)); /* last: the JSON says that the picture is whisker's own, also if this fails */
done:
  wk_text_free(&t);
  wk_free(probability);
  wk_free(photo);
  return st;
}
