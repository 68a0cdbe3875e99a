/* learned.c - no photo is tested on that was learned from, nor a copy of it, without saying so. */
#include "workflow/workflow.h"

wk_status wk_call_hash_photos(wk_photo_hash **out, const wk_call *call, const char *const *path, size_t count,
                              wk_error *err) {
  wk_features_options o;
  wk_session_features_options(&o, call->session);
  wk_photo_hash *hash = wk_alloc_array(count + 1, sizeof *hash);
  if (!hash)
    return wk_no_memory(err);
  wk_status st = wk_photo_hashes(hash, path, count, o.cache_folder, &call->ctx, err);
  if (st == WK_OK)
    *out = hash;
  else
    wk_free(hash);
  return st;
}

wk_status wk_leave_out_learned(size_t *learned, wk_photo_list *photos, const wk_call *call, const wk_model *m,
                               bool with_learned, wk_error *err) {
  wk_photo_hash *hash = NULL;
  *learned = 0;
  if (!m->learned)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_call_hash_photos(&hash, call, photos->paths, photos->count, err));
  size_t kept = 0;
  for (size_t i = 0; i < photos->count; i++) {
    const bool known = wk_photo_set_has(m->learned, &hash[i]);
    *learned += known;
    if (known && !with_learned)
      continue;
    photos->paths[kept] = photos->paths[i];
    photos->names[kept] = photos->names[i];
    photos->labels[kept++] = photos->labels[i];
  }
  photos->count = kept;
  wk_free(hash);
  return WK_OK;
}

wk_status wk_photos_leave_out_learned(size_t *left_out, wk_photo_list *photos, wk_session *s, const wk_model *m,
                                      wk_error *err) {
  wk_call call;
  wk_call_begin(&call, s);
  wk_status st = wk_leave_out_learned(left_out, photos, &call, m, false, err);
  wk_call_end(&call);
  return st;
}
