/* torch.h - what the readers of PyTorch's two file layouts share: both find the pickle and the storages, and
 * torch.c makes named tensors of them. */
#ifndef WK_FORMATS_TORCH_H
#define WK_FORMATS_TORCH_H

#include "formats/formats.h"
#include "formats/unpickle.h"

typedef struct wk_torch {
  const uint8_t *bytes; /* the whole file */
  size_t size;
  wk_tensors *out;     /* keeps what had to be unpacked */
  wk_arena *copies;    /* where that is; NULL: nothing yet */
  wk_arena arena;      /* of the pickled values; its limit stops pickles that are small but describe a lot */
  wk_py *root;         /* what was saved */
  const char *key;     /* of the weights that are wanted; NULL: found */
  const char *foreign; /* the first Python object that is asked for and not known; NULL: none */
  wk_py_storage *
      *storage; /* sorted by key; equal keys (one storage that several tensors share) agree in type and count */
  size_t storages;
  size_t budget; /* bytes that may still be copied out of the file: unpacked, or gathered from strides */
} wk_torch;

/* Sorts the storages that a pickle named into t->storage. */
wk_status wk_torch_index_storages(wk_torch *t, wk_py_storage *list, wk_error *err);
/* The first storage of that key, and in *n how many have it; NULL: none. */
wk_py_storage **wk_torch_find_storage(size_t *n, const wk_torch *t, const char *key);
/* How many from `first` on have its key. */
size_t wk_torch_same_key(const wk_torch *t, size_t first);
/* Says where the `n` storages from `first` on lie; checks that there are as many bytes as they say. */
wk_status wk_torch_place_storage(wk_py_storage **first, size_t n, const uint8_t *data, size_t bytes, wk_error *err);
/* Bytes an element of a storage. */
size_t wk_torch_element(const wk_py_storage *s);
/* Memory for something copied out of the file: counted against the budget, owned by t->out. */
wk_status wk_torch_copy_alloc(uint8_t **out, wk_torch *t, size_t bytes, wk_error *err);

/* The two layouts: each fills root, and places every storage. */
wk_status wk_torch_read_zip(wk_torch *t, wk_error *err);
wk_status wk_torch_read_legacy(wk_torch *t, wk_error *err);
bool wk_torch_is_legacy(const uint8_t *bytes, size_t size);

/* Where the weights are in what was saved (torch_find.c). */
typedef struct wk_torch_entry {
  const char *name;
  const wk_py_tensor *tensor;
} wk_torch_entry;
typedef struct wk_torch_weights {
  wk_torch_entry *entry; /* wk_free */
  size_t count, room;
} wk_torch_weights;
/* Names and tensors of the network that t->root holds, or of that under t->key. What is worth telling of it becomes
 * metadata of t->out. */
wk_status wk_torch_find_weights(wk_torch_weights *out, wk_torch *t, wk_error *err);

/* wk_torch_parse, of the weights under *key (NULL: as they are found), which becomes NULL if it is a key of the file,
 * and stays if the names have still to be looked for it. */
wk_status wk_torch_parse_key(wk_tensors **out, const void *bytes, size_t size, const char **key, wk_error *err);

/* Clustered weights (codebook.c): is it a set of them, and the plain weights they stand for, of at most `budget` bytes.
 */
bool wk_codebook_is(const wk_tensors *in);
wk_status wk_codebook_expand(wk_tensors **out, const wk_tensors *in, size_t budget, wk_error *err);

#endif
