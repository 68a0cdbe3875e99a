/* photo_batch.c - see photo_batch.h. */
#include "data/photo_batch.h"

wk_status wk_photo_batch_begin(wk_photo_batch *b, const wk_preprocess *p, int capacity, wk_error *err) {
  b->count = 0;
  if (b->rgb)
    return WK_OK;
  const size_t pixels = (size_t)p->height * (size_t)p->width;
  b->photo = pixels * 3;
  b->rgb = wk_alloc_array(b->photo, (size_t)capacity);
  return b->rgb ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d photos of %zu pixels", capacity, pixels);
}

wk_status wk_photo_batch_read(wk_photo_batch *b, wk_photo_file *file, const char *path, wk_error *err) {
  if (file->fd < 0)
    WK_RETURN_IF_ERROR(wk_photo_open(file, path, err));
  return wk_photo_read(&b->file, file, err);
}

wk_status wk_photo_batch_decode(wk_photo_batch *b, uint8_t *to, const wk_preprocess *p, const wk_photo_change *change,
                                wk_error *err) {
  uint8_t *rgb = to ? to : b->rgb + (size_t)b->count * b->photo;
  if (change)
    WK_RETURN_IF_ERROR(wk_augment_bytes(rgb, b->file.data, b->file.size, p, change->augment, &change->key, err));
  else
    WK_RETURN_IF_ERROR(wk_preprocess_bytes(rgb, b->file.data, b->file.size, p, err));
  b->count += !to;
  return WK_OK;
}

wk_status wk_photo_batch_add(wk_photo_batch *b, uint8_t *to, const char *path, const wk_preprocess *p,
                             const wk_photo_change *change, wk_error *err) {
  wk_photo_file file = {.fd = -1};
  wk_status st = wk_photo_batch_read(b, &file, path, err);
  wk_photo_close(&file);
  return st == WK_OK ? wk_photo_batch_decode(b, to, p, change, err) : st;
}

wk_status wk_photo_batch_run(const float **rows, wk_photo_batch *b, const wk_plan *plan, wk_error *err) {
  if (!b->exec)
    WK_RETURN_IF_ERROR(wk_exec_create(&b->exec, plan, err));
  WK_RETURN_IF_ERROR(wk_exec_run_pixels(b->exec, b->rgb, b->count, err));
  *rows = wk_exec_output(b->exec, 0);
  return WK_OK;
}

void wk_photo_batch_free(wk_photo_batch *b) {
  wk_exec_free(b->exec);
  wk_free(b->rgb);
  wk_buffer_free(&b->file);
  *b = (wk_photo_batch){0};
}
