/* reader.h (internal) - the readers of network files, one a format, and what they share. Each is given the whole file
 * and fills an intermediate network; messages do not begin with the path. */
#ifndef WK_IMPORT_READER_H
#define WK_IMPORT_READER_H

#include "import/ir.h"

bool wk_onnx_is(const uint8_t *bytes, size_t size);
bool wk_tflite_is(const uint8_t *bytes, size_t size);
bool wk_keras_h5_is(const uint8_t *bytes, size_t size);
bool wk_keras_zip_is(const uint8_t *bytes, size_t size);
bool wk_tfjs_is(const uint8_t *bytes, size_t size);
/* `path` is where the file lies, for what lies beside it. */
wk_status wk_onnx_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
/* onnx_quant.c: an operation on quantised numbers becomes the plain one and a rounding; others stay. */
wk_status wk_onnx_plain(wk_ir *ir, int op, wk_error *err);
wk_status wk_tflite_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
wk_status wk_keras_h5_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
wk_status wk_keras_zip_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
wk_status wk_tfjs_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);

/* All of them, in the order in which a file is held against them. import.c */
typedef struct wk_reader {
  bool (*is)(const uint8_t *bytes, size_t size);
  wk_status (*read)(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
} wk_reader;
enum { WK_READERS = 5 };
extern const wk_reader wk_readers[WK_READERS];

/* Names to numbers. Zeroed is empty; names are not copied. */
typedef struct wk_name_map {
  struct wk_name_map_entry {
    const char *name;
    int number;
  } * entry;
  size_t room, count;
} wk_name_map;
void wk_name_map_free(wk_name_map *n);
int wk_name_map_find(const wk_name_map *n, const char *name); /* -1: not there */
wk_status wk_name_map_add(wk_name_map *n, const char *name, int number, wk_error *err);

/* Classes from text as people write them: one a line ("0 cat" too), or a JSON list, or an object of numbers and names,
 * or Python's {0: 'cat', 1: 'dog'}. Text that is none of these is passed over. */
wk_status wk_labels_guess(wk_ir *ir, const char *text, wk_error *err);

#endif
