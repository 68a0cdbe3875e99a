/* weights.c - opens a weight file of any kind: the content decides which reader gets it, and what is plainly something
 * else is named. */
#include <string.h>

#include "formats/torch.h"
#include "whisker/image.h"

const char *wk_weight_format_name(wk_weight_format format) {
  switch (format) {
  case WK_WEIGHTS_SAFETENSORS:
    return "safetensors";
  case WK_WEIGHTS_TORCH_ZIP:
    return "PyTorch";
  case WK_WEIGHTS_TORCH_LEGACY:
    return "PyTorch (before 1.6)";
  default:
    return "unknown";
  }
}

wk_weight_format wk_weights_sniff(const void *bytes, size_t size) {
  const uint8_t *p = bytes;
  if (size >= 4 && memcmp(p, "PK\3\4", 4) == 0)
    return WK_WEIGHTS_TORCH_ZIP;
  if (wk_torch_is_legacy(p, size))
    return WK_WEIGHTS_TORCH_LEGACY;
  /* A header of less than 4 GB that begins with a brace; the reader says what is wrong with it. */
  if (size >= 9 && wk_le32(p + 4) == 0 && wk_le32(p) >= 2 && p[8] == '{')
    return WK_WEIGHTS_SAFETENSORS;
  return WK_WEIGHTS_UNKNOWN;
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
  else if (begins(p, size, "<"))
    is = "a web page, not weights: the download went wrong, fetch it again";
  else if (begins(p, size, "\x89HDF"))
    is = "an HDF5 (Keras) file, which whisker does not read";
  else if (p[0] == 0x80)
    is = "a Python pickle that torch.save did not write, or did not finish";
  else if (begins(p, size, "\x1f\x8b"))
    is = "a gzip file: unpack it first";
  if (is)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s", is);
  const wk_file_type type = wk_file_type_of(p, size);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "this is %s, not a weight file that whisker knows (.safetensors and PyTorch's .pth are)%s%s",
                 type.name, *type.cure ? "; " : "", type.cure);
}

static void release_view(void *user) {
  wk_file_unmap(user);
  wk_free(user);
}

static void rest_view(void *user) { wk_file_release_pages(user); }

wk_status wk_weights_open(wk_tensors **out, const char *path, wk_error *err) {
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
    st = wk_torch_parse(&t, view->data, view->size, err);
    break;
  default:
    st = refuse(view->data, view->size, err);
  }
  if (st == WK_OK)
    st = wk_tensors_keep(t, release_view, rest_view, view, err);
  if (st == WK_OK) {
    *out = t;
    return WK_OK;
  }
  wk_error_prefix(err, st, "%s", path);
  wk_tensors_free(t);
  wk_file_unmap(view);
done:
  wk_free(view);
  return st;
}
