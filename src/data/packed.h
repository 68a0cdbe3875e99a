/* packed.h (internal) - many photos in one file, uncompressed: MNIST's IDX files, CIFAR's binary batches and those of
 * Python. A photo in one has the path FILE/NUMBER@OFFSET,WIDTHxHEIGHTxCHANNELS, which says all that is needed to read
 * it: nothing is unpacked, and no file stays open. */
#ifndef WK_DATA_PACKED_H
#define WK_DATA_PACKED_H

#include "data/data.h"

/* By name, first bytes and size: photos, or the labels of photos in another file. */
bool wk_packed_sniff(const char *name, const uint8_t *head, size_t n, uint64_t size);
/* Adds what the packed files of the tree hold. */
wk_status wk_read_packed(wk_builder *b, const wk_tree *tree, wk_error *err);
/* "train-images-idx3-ubyte" gives "train-labels-idx1-ubyte", with whatever folder stands before. *out NULL: not called
 * so. */
wk_status wk_packed_labels_name(char **out, const char *images, wk_error *err);

/* Takes such a path apart: *file (wk_free) is what to open; false: it is none. */
bool wk_packed_path(char **file, uint64_t *at, int *width, int *height, int *channels, const char *path);

/* One array in a pickle of CIFAR's and the numbers beside it (pickle_scan.c). */
typedef struct wk_pickled {
  uint64_t data; /* offset of the pixels; 0: none */
  size_t data_bytes;
  uint8_t *label; /* of 'fine_labels' or 'labels' */
  size_t labels;
  wk_names class_name; /* of 'fine_label_names' or 'label_names' */
} wk_pickled;
wk_status wk_pickle_scan(wk_pickled *out, const uint8_t *bytes, size_t size, const char *show, wk_error *err);
void wk_pickled_free(wk_pickled *p);

/* ---- frames.c: frames and pages --------------------------------------------------------------- */

char *wk_frame_path(const char *file, int frame); /* NULL: out of memory */
/* *file (wk_free). False: the path is not one of a frame, or there is no memory. */
bool wk_frame_path_parse(char **file, int *frame, const char *path);
/* How many frames or pages a photo has; more than can be looked at are an error. */
wk_status wk_photo_frames(int *count, const char *path, wk_error *err);

#endif
