/* tflite_metadata.c - what TensorFlow Lite's metadata_schema.fbs says of a classifier of pictures: how pixels are
 * normalised, and which file has the labels. The files lie in a zip archive behind the network, as its tools expect. */
#include <string.h>

#include "export/tflite_file.h"
#include "formats/flatbuffer_write.h"
#include "formats/zip_write.h"

enum {
  CONTENT_FEATURE = 1,
  CONTENT_IMAGE = 2,
  COLOUR_RGB = 1,
  UNIT_NORMALISATION = 1,
  FILE_VALUE_LABELS = 3,
};

static void put_content(wk_text *t, size_t at, int kind) {
  size_t slot[2], image[1];
  wk_fb_put_table(t, at, (const wk_fb_put[]){{.field = 0, .bytes = 1, .value = kind}, {.field = 1}}, 2, slot);
  wk_fb_put_table(t, slot[1], (const wk_fb_put[]){{.field = 0, .bytes = 1, .value = COLOUR_RGB}},
                  kind == CONTENT_IMAGE ? 1 : 0, image);
}

static void put_input(wk_text *t, size_t at, const float *mean, const float *std) {
  size_t slot[4], unit[2], norm[2];
  wk_fb_put_table(t, at, (const wk_fb_put[]){{.field = 0}, {.field = 1}, {.field = 3}, {.field = 4}}, 4, slot);
  wk_fb_put_string(t, slot[0], "image");
  wk_fb_put_string(t, slot[1], "the photo, resized and cropped as preprocess.json says; red, green, blue");
  put_content(t, slot[2], CONTENT_IMAGE);
  const size_t units = wk_fb_put_slots(t, slot[3], 1);
  wk_fb_put_table(t, units, (const wk_fb_put[]){{.field = 0, .bytes = 1, .value = UNIT_NORMALISATION}, {.field = 1}}, 2,
                  unit);
  wk_fb_put_table(t, unit[1], (const wk_fb_put[]){{.field = 0}, {.field = 1}}, 2, norm);
  wk_fb_put_list(t, norm[0], mean, 3, sizeof *mean);
  wk_fb_put_list(t, norm[1], std, 3, sizeof *std);
}

static void put_output(wk_text *t, size_t at) {
  size_t slot[4], file[3];
  wk_fb_put_table(t, at, (const wk_fb_put[]){{.field = 0}, {.field = 1}, {.field = 3}, {.field = 6}}, 4, slot);
  wk_fb_put_string(t, slot[0], "probability");
  wk_fb_put_string(t, slot[1], "probabilities of the classes in labels.txt");
  put_content(t, slot[2], CONTENT_FEATURE);
  const size_t files = wk_fb_put_slots(t, slot[3], 1);
  wk_fb_put_table(t, files,
                  (const wk_fb_put[]){{.field = 0}, {.field = 1}, {.field = 2, .bytes = 1, .value = FILE_VALUE_LABELS}},
                  3, file);
  wk_fb_put_string(t, file[0], "labels.txt");
  wk_fb_put_string(t, file[1], "names of the classes");
}

wk_status wk_tflite_metadata(uint8_t **out, size_t *bytes, const wk_net *n, bool bytes_in, wk_error *err) {
  static const float zeros[3] = {0, 0, 0}, ones[3] = {1, 1, 1};
  wk_text t = {0};
  size_t slot[4], graph[3];
  wk_fb_put_begin(&t, "M001");
  wk_fb_put_table(&t, 0, (const wk_fb_put[]){{.field = 0}, {.field = 1}, {.field = 3}, {.field = 7}}, 4, slot);
  wk_fb_put_string(&t, slot[0], n->name);
  wk_fb_put_string(&t, slot[1], "exported by whisker");
  const size_t graphs = wk_fb_put_slots(&t, slot[2], 1);
  wk_fb_put_table(&t, graphs, (const wk_fb_put[]){{.field = 2}, {.field = 3}}, 2, graph);
  const size_t inputs = wk_fb_put_slots(&t, graph[0], 1);
  put_input(&t, inputs, bytes_in ? zeros : n->preprocess.mean, bytes_in ? ones : n->preprocess.std);
  const size_t outputs = wk_fb_put_slots(&t, graph[1], 1);
  put_output(&t, outputs);
  wk_fb_put_string(&t, slot[3], "1.0.0");
  if (t.failed) {
    wk_text_free(&t);
    return wk_export_no_memory(err);
  }
  *out = (uint8_t *)t.data;
  *bytes = t.len;
  return WK_OK;
}

/* A line each; what would break a line is a space. */
static void add_labels(wk_text *t, const wk_net *n) {
  for (int i = 0; i < n->classes; i++) {
    for (const char *c = n->labels[i]; *c; c++)
      wk_text_append(t, *c == '\n' || *c == '\r' ? " " : c, 1);
    wk_text_append(t, "\n", 1);
  }
}

wk_status wk_tflite_associated(wk_writer *w, uint64_t at, const wk_net *n, bool bytes_in, wk_error *err) {
  wk_status st = WK_OK;
  wk_zip_out z = {0};
  wk_text labels = {0};
  char *prepare = wk_export_preprocess_text(&n->preprocess, bytes_in);
  add_labels(&labels, n);
  WK_FAIL_IF(labels.failed || !prepare, err, WK_ERR_MEMORY, "out of memory for an export");
  wk_zip_out_begin(&z, w, at);
  WK_TRY(wk_zip_out_add(&z, "labels.txt", labels.data, labels.len, 1, err));
  WK_TRY(wk_zip_out_add(&z, "preprocess.json", prepare, strlen(prepare), 1, err));
  WK_TRY(wk_zip_out_end(&z, err));
done:
  wk_zip_out_free(&z);
  wk_text_free(&labels);
  wk_free(prepare);
  return st;
}
