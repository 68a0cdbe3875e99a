/* weights.c - opens a weight file of any kind: the content decides which reader gets it, and what is plainly something
 * else is named. */
#include <string.h>

#include "formats/torch.h"
#include "whisker/image.h"

wk_weight_format wk_weights_sniff(const void *bytes, size_t size) {
  const uint8_t *p = bytes;
  if (size >= 4 && memcmp(p, "PK\3\4", 4) == 0)
    return wk_npz_is(p, size) ? WK_WEIGHTS_NPZ : WK_WEIGHTS_TORCH_ZIP;
  if (wk_torch_is_legacy(p, size))
    return WK_WEIGHTS_TORCH_LEGACY;
  /* A header of less than 4 GB that begins with a brace; the reader says what is wrong with it. */
  if (size >= 9 && wk_le32(p + 4) == 0 && wk_le32(p) >= 2 && p[8] == '{')
    return WK_WEIGHTS_SAFETENSORS;
  return wk_index_is(p, size) ? WK_WEIGHTS_INDEX : WK_WEIGHTS_UNKNOWN;
}

static bool begins(const uint8_t *bytes, size_t size, const char *with) {
  size_t n = strlen(with);
  return size >= n && memcmp(bytes, with, n) == 0;
}

static wk_status refuse(const uint8_t *p, size_t size, wk_error *err) {
  const char *is = NULL;
  if (size == 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "the file is empty; fetch it again");
  if (begins(p, size, "version https://git-lfs"))
    is = "a Git LFS pointer, not the weights themselves: run git lfs pull";
  else if (begins(p, size, "<") && !begins(p, size, "<?xml"))
    is = "a web page, not weights: the download went wrong, fetch it again";
  else if (begins(p, size, "<?xml") && memmem(p, size < 4096 ? size : 4096, "<net ", 5))
    is = "a network of OpenVINO, which whisker does not read: give the ONNX or TensorFlow file that it was made of";
  else if (begins(p, size, "\x89HDF"))
    is = "an HDF5 (Keras) file, which carries its network: give it without --arch";
  else if (p[0] == 0x80)
    is = "a Python pickle that torch.save did not write, or did not finish";
  else if (begins(p, size, "\x1f\x8b"))
    is = "a gzip file: unpack it first";
  if (is)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s", is);
  const wk_file_type type = wk_file_type_of(p, size);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "this is %s, not a file of weights that whisker reads: safetensors, PyTorch's .pth, NumPy's .npz, "
                 "ONNX, TensorFlow Lite, Keras and TensorFlow.js are",
                 type.name);
}

static void release_view(void *user) {
  wk_file_unmap(user);
  wk_free(user);
}

static void rest_view(void *user) { wk_file_release_pages(user); }

static void release_set(void *user) { wk_tensors_free(user); }
static void rest_set(void *user) { wk_tensors_release_pages(user); }

/* Those of *all whose names begin with "KEY.", without it; takes *all on success. */
static wk_status keep_under(wk_tensors **all, const char *key, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *kept = NULL;
  const size_t n = strlen(key) - (*key && key[strlen(key) - 1] == '.');
  const char *note = wk_tensors_meta(*all, WK_WEIGHTS_NOTE);
  WK_TRY(wk_tensors_create(&kept, err));
  for (size_t i = 0; i < wk_tensors_size(*all); i++) {
    wk_tensor t = *wk_tensors_at(*all, i);
    if (strncmp(t.name, key, n) != 0 || t.name[n] != '.' || !t.name[n + 1])
      continue;
    t.name += n + 1;
    WK_TRY(wk_tensors_add_view(kept, &t, err));
  }
  WK_FAIL_IF(
      !wk_tensors_size(kept), err, WK_ERR_NOT_FOUND,
      "nothing is under the key %.100s: no entry is called so, and no tensor's name begins with it (the first is "
      "%.100s)",
      key, wk_tensors_size(*all) ? wk_tensors_at(*all, 0)->name : "none");
  if (note)
    WK_TRY(wk_tensors_set_meta(kept, WK_WEIGHTS_NOTE, note, err));
  WK_TRY(wk_tensors_keep(kept, release_set, rest_set, *all, err));
  *all = kept;
  kept = NULL;
done:
  wk_tensors_free(kept);
  return st;
}

wk_status wk_weights_open(wk_tensors **out, const char *path, wk_error *err) {
  return wk_weights_open_key(out, path, NULL, err);
}

wk_status wk_weights_open_key(wk_tensors **out, const char *path, const char *key, wk_error *err) {
  wk_status st;
  wk_tensors *t = NULL;
  wk_file_view mapped = {0};
  wk_file_view *view = wk_alloc(sizeof *view);
  WK_FAIL_IF(!view, err, WK_ERR_MEMORY, "%s: not enough memory", path);
  WK_TRY(wk_file_map(&mapped, path, err));
  *view = mapped;

  switch (wk_weights_sniff(view->data, view->size)) {
  case WK_WEIGHTS_SAFETENSORS:
    st = wk_safetensors_parse(&t, view->data, view->size, err);
    break;
  case WK_WEIGHTS_TORCH_ZIP:
  case WK_WEIGHTS_TORCH_LEGACY:
    st = wk_torch_parse_key(&t, view->data, view->size, &key, err);
    break;
  case WK_WEIGHTS_NPZ:
    st = wk_npz_parse(&t, view->data, view->size, err);
    break;
  case WK_WEIGHTS_INDEX:
    st = wk_index_open(&t, view->data, view->size, path, err);
    break;
  default:
    st = refuse(view->data, view->size, err);
  }
  if (st == WK_OK)
    st = wk_tensors_keep(t, release_view, rest_view, view, err);
  if (st == WK_OK) {
    st = key ? keep_under(&t, key, err) : WK_OK;
    if (st == WK_OK) {
      *out = t;
      return WK_OK;
    }
    wk_tensors_free(t); /* with the view */
    return wk_error_prefix(err, st, "%s", path);
  }
  wk_error_prefix(err, st, "%s", path);
  wk_tensors_free(t);
  wk_file_unmap(view);
done:
  wk_free(view);
  return st;
}
