/* formats.h - weight files to named tensors and back. Nothing in a file is ever executed; lengths, offsets and
 * shapes are checked before anything is allocated. Knows nothing about networks. */
#ifndef WHISKER_FORMATS_H
#define WHISKER_FORMATS_H

#include "whisker/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_weight_format {
  WK_WEIGHTS_UNKNOWN = 0,
  WK_WEIGHTS_SAFETENSORS,
  WK_WEIGHTS_TORCH_ZIP,
  WK_WEIGHTS_TORCH_LEGACY,
  WK_WEIGHTS_NPZ,  /* NumPy arrays in a ZIP archive */
  WK_WEIGHTS_INDEX /* a JSON that names the files the tensors lie in: "model.safetensors.index.json" */
} wk_weight_format;

WK_API wk_weight_format wk_weights_sniff(const void *bytes, size_t size);

/* What is worth telling of weights that were read, as metadata of the tensors: that they were taken out of a whole
 * Python object, or which of several networks they are. */
#define WK_WEIGHTS_NOTE "whisker.note"

/* Opens a weight file of any known format; the content decides, not the name. Tensors are views of the mapped file
 * wherever the layout allows. A .pth may hold a state dict under any key, beside other objects, which are passed over,
 * or a whole module or TorchScript program, whose tensors are taken by name; prefixes "module." are stripped. Of
 * several networks that under a usual key ("state_dict", "model") is taken, else that is an error. Errors begin with
 * the path. */
WK_API wk_status wk_weights_open(wk_tensors **out, const char *path, wk_error *err) WK_NODISCARD;
/* The same of the network under `key`: a key of the file ("state_dict_ema"), keys in keys ("models.student"), or what
 * the tensors' names begin with, which is taken off ("ema_model"). NULL: as above. */
WK_API wk_status wk_weights_open_key(wk_tensors **out, const char *path, const char *key, wk_error *err) WK_NODISCARD;
/* Format-specific forms of the above, on bytes (which must outlive *out; nothing is copied where possible). */
WK_API wk_status wk_safetensors_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) WK_NODISCARD;
WK_API wk_status wk_torch_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) WK_NODISCARD;
WK_API wk_status wk_npz_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) WK_NODISCARD;

/* Writes atomically: header keys and tensors in the given order, metadata sorted, data 64-byte aligned: the same
 * input gives the same bytes. */
WK_API wk_status wk_safetensors_write(const char *path, const wk_tensors *tensors, wk_error *err) WK_NODISCARD;
/* One float32 matrix as NumPy's .npy version 1.0, atomically. */
WK_API wk_status wk_npy_write(const char *path, const float *data, int ndim, const int64_t *shape,
                              wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
