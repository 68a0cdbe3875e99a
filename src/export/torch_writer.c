/* torch_writer.c - PyTorch's .pth as torch.save writes it: a zip archive with a pickle that builds an OrderedDict of
 * tensors and names nothing else, so that torch.load(weights_only=True) reads it, and the numbers of each tensor as an
 * entry. */
#include <string.h>

#include "export/export.h"
#include "formats/zip_write.h"

enum { ALIGN = 64 }; /* as PyTorch has it, so that files can be mapped */

/* Opcodes of pickle's protocol 2 that are used. */
#define PROTO "\x80\x02"
#define GLOBAL "c"
#define EMPTY_TUPLE ")"
#define REDUCE "R"
#define MARK "("
#define TUPLE "t"
#define PERSISTENT "Q"
#define FALSE "\x89"
#define SETITEMS "u"
#define STOP "."
#define ORDERED GLOBAL "collections\nOrderedDict\n"

static const char *storage_of(wk_dtype dtype) {
  static const char *const name[WK_DTYPE_COUNT] = {
      [WK_F32] = "Float", [WK_F64] = "Double", [WK_F16] = "Half", [WK_BF16] = "BFloat16", [WK_I64] = "Long",
      [WK_I32] = "Int",   [WK_I16] = "Short",  [WK_I8] = "Char",  [WK_U8] = "Byte",       [WK_BOOL] = "Bool"};
  return name[dtype];
}

static void add(wk_text *p, const char *ops) { wk_text_append(p, ops, strlen(ops)); }

static void add_text(wk_text *p, const char *text) {
  const uint32_t n = (uint32_t)strlen(text);
  add(p, "X");
  wk_text_append(p, &n, 4);
  wk_text_append(p, text, n);
}

static void add_int(wk_text *p, int64_t value) {
  if (value >= 0 && value < 256) {
    wk_text_append(p, (uint8_t[]){'K', (uint8_t)value}, 2);
  } else if (value >= 0 && value <= INT32_MAX) {
    add(p, "J");
    wk_text_append(p, &value, 4);
  } else {
    wk_text_append(p, (uint8_t[]){0x8a, 8}, 2);
    wk_text_append(p, &value, 8);
  }
}

/* torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void add_tensor(wk_text *p, const wk_tensor *t, size_t index) {
  char key[24];
  snprintf(key, sizeof key, "%zu", index);
  const int64_t count = wk_tensor_count(t->ndim, t->shape);
  int64_t stride = count;
  add(p, GLOBAL "torch._utils\n_rebuild_tensor_v2\n" MARK MARK);
  add_text(p, "storage");
  wk_text_add(p, GLOBAL "torch\n%sStorage\n", storage_of(t->dtype));
  add_text(p, key);
  add_text(p, "cpu");
  add_int(p, count);
  add(p, TUPLE PERSISTENT);
  add_int(p, 0);
  add(p, MARK);
  for (int i = 0; i < t->ndim; i++)
    add_int(p, t->shape[i]);
  add(p, TUPLE MARK);
  for (int i = 0; i < t->ndim; i++) {
    stride = t->shape[i] ? stride / t->shape[i] : 1;
    add_int(p, stride);
  }
  add(p, TUPLE FALSE ORDERED EMPTY_TUPLE REDUCE TUPLE REDUCE);
}

static wk_status make_pickle(wk_text *p, const wk_tensors *t, wk_error *err) {
  add(p, PROTO ORDERED EMPTY_TUPLE REDUCE MARK);
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    add_text(p, wk_tensors_at(t, i)->name);
    add_tensor(p, wk_tensors_at(t, i), i);
  }
  add(p, SETITEMS STOP);
  return p->failed ? wk_export_no_memory(err) : WK_OK;
}

wk_status wk_export_torch(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  wk_text pickle = {0};
  wk_writer *w = NULL;
  wk_zip_out z = {0};
  char name[48];
  WK_TRY(wk_state_dict(&t, job, err));
  WK_TRY(make_pickle(&pickle, t, err));
  WK_TRY(wk_writer_open(&w, job->path, err));
  wk_zip_out_begin(&z, w, 0);
  WK_TRY(wk_zip_out_add(&z, "whisker/data.pkl", pickle.data, pickle.len, ALIGN, err));
  WK_TRY(wk_zip_out_add(&z, "whisker/byteorder", "little", 6, ALIGN, err));
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    snprintf(name, sizeof name, "whisker/data/%zu", i);
    WK_TRY(wk_zip_out_add(&z, name, wk_tensors_at(t, i)->data, wk_tensors_at(t, i)->bytes, ALIGN, err));
  }
  WK_TRY(wk_zip_out_add(&z, "whisker/version", "3\n", 2, ALIGN, err));
  WK_TRY(wk_zip_out_end(&z, err));
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  wk_writer_abort(w);
  wk_zip_out_free(&z);
  wk_text_free(&pickle);
  wk_tensors_free(t);
  return st;
}
