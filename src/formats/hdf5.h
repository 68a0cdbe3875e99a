/* hdf5.h - the part of HDF5 that Keras files use: groups of both kinds, attributes with texts, datasets that lie in one
 * piece or in chunks, gzipped and shuffled or not. Links to other files are not followed; every address is checked. */
#ifndef WK_FORMATS_HDF5_H
#define WK_FORMATS_HDF5_H

#include "base/base.h"
#include "whisker/nn.h"

typedef struct wk_h5 {
  const uint8_t *bytes;
  size_t size;
  int address, length; /* bytes of an address, of a length */
  uint64_t root;       /* address of the root group */
} wk_h5;

typedef struct wk_h5_dataset {
  wk_dtype dtype;
  int ndim;
  int64_t shape[WK_MAX_DIMS];
  const uint8_t *data; /* where it lies in one piece, in the file; NULL: chunks, or nothing was ever written */
  size_t bytes;
  uint64_t chunks; /* address of their tree; 0: none */
  int64_t chunk[WK_MAX_DIMS];
  int filter[4], filters; /* in the order of writing: 1 gzip, 2 shuffle, 3 checksums */
} wk_h5_dataset;

bool wk_h5_is(const uint8_t *bytes, size_t size);
wk_status wk_h5_open(wk_h5 *out, const uint8_t *bytes, size_t size, wk_error *err);
/* The object of that name in a group; 0: there is none. */
uint64_t wk_h5_find(const wk_h5 *h, uint64_t group, const char *name, size_t name_size);
/* Calls visit for every object in a group. A status other than WK_OK ends it. */
typedef wk_status (*wk_h5_visit)(void *user, const char *name, uint64_t object, wk_error *err);
wk_status wk_h5_each(const wk_h5 *h, uint64_t group, wk_h5_visit visit, void *user, wk_error *err);
/* A text attribute as a new string, which the caller frees; *out NULL: there is none. */
wk_status wk_h5_text(char **out, const wk_h5 *h, uint64_t object, const char *name, wk_error *err);
bool wk_h5_is_dataset(const wk_h5 *h, uint64_t object);
wk_status wk_h5_dataset_open(wk_h5_dataset *out, const wk_h5 *h, uint64_t object, wk_error *err);
/* All elements into `to`, which holds out->bytes. */
wk_status wk_h5_read(void *to, const wk_h5 *h, const wk_h5_dataset *d, wk_error *err);

#endif
