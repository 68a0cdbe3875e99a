/* npy.c - writes float32 arrays as NumPy's .npy, version 1.0: a magic, a Python dict literal padded so that the data
 * begin at a multiple of 64, and the data. */
#include <string.h>

#include "formats/formats.h"

wk_status wk_npy_write(const char *path, const float *data, int ndim, const int64_t *shape, wk_error *err) {
  wk_status st;
  wk_text head = {0};
  wk_writer *w = NULL;
  size_t bytes;
  int64_t count = ndim >= 0 && ndim <= WK_MAX_DIMS ? wk_tensor_count(ndim, shape) : -1;

  WK_FAIL_IF(count < 0 || wk_mul_overflow(&bytes, (size_t)count, sizeof *data), err, WK_ERR_ARGUMENT,
             "%s: an array of this shape cannot be written", path);
  wk_text_append(&head, "\x93NUMPY\x01\x00\x00\x00", 10);
  wk_text_add(&head, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
  for (int i = 0; i < ndim; i++)
    wk_text_add(&head, ndim == 1 ? "%lld," : i ? ", %lld" : "%lld", (long long)shape[i]);
  wk_text_add(&head, "), }");
  wk_text_add(&head, "%*s\n", (int)(-(head.len + 1) & 63), "");
  WK_FAIL_IF(head.failed, err, WK_ERR_MEMORY, "%s: not enough memory", path);
  head.data[8] = (char)((head.len - 10) & 255);
  head.data[9] = (char)((head.len - 10) >> 8);

  WK_TRY(wk_writer_open(&w, path, err));
  WK_TRY(wk_writer_write(w, head.data, head.len, err));
  if (bytes)
    WK_TRY(wk_writer_write(w, data, bytes, err));
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  wk_writer_abort(w);
  wk_text_free(&head);
  return st;
}
