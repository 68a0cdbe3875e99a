/* hdf5_write.h - HDF5 files of groups, float32 datasets in one piece, and texts as attributes: what Keras' files are
 * made of. libhdf5 from 1.8 on reads them. Groups keep their links in their own headers, so the file is the numbers and
 * little else. */
#ifndef WK_FORMATS_HDF5_WRITE_H
#define WK_FORMATS_HDF5_WRITE_H

#include "base/base.h"

typedef struct wk_h5_out wk_h5_out;

wk_status wk_h5_out_create(wk_h5_out **out, wk_error *err);
void wk_h5_out_free(wk_h5_out *h);
/* The group of that name in a group (0: the root), made when it is not there. A name is one word, without '/'. */
wk_status wk_h5_out_group(int *out, wk_h5_out *h, int parent, const char *name, wk_error *err);
/* [shape] float32, of at most 8 sides; the data must live until the file is written. */
wk_status wk_h5_out_floats(wk_h5_out *h, int group, const char *name, int ndim, const int64_t *shape, const float *data,
                           wk_error *err);
/* Attributes of a group: one text of any length, and a list of texts; copied. */
wk_status wk_h5_out_text(wk_h5_out *h, int group, const char *name, const char *text, wk_error *err);
wk_status wk_h5_out_list(wk_h5_out *h, int group, const char *name, const char *const *text, size_t count,
                         wk_error *err);
/* The whole file; wk_free it. The same calls give the same bytes. */
wk_status wk_h5_out_bytes(uint8_t **out, size_t *size, const wk_h5_out *h, wk_error *err);

#endif
