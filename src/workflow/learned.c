/* learned.c - no photo is tested on that was learned from, nor a copy of it, without saying so. */
#include "workflow/workflow.h"

wk_status wk_call_prints(wk_prints **out, const wk_call *call, const wk_photo_list *photos,
                         const uint8_t (*sha256)[WK_SHA256_BYTES], wk_error *err) {
  wk_features_options o;
  wk_session_features_options(&o, call->session);
  return wk_prints_compute_known(out, photos->paths, sha256, photos->count, o.cache_folder, &call->ctx, err);
}

wk_status wk_leave_out_learned(size_t *learned, wk_photo_list *photos, const wk_call *call, const wk_model *m,
                               bool with_learned, wk_error *err) {
  wk_prints *prints = NULL;
  *learned = 0;
  if (!m->learned)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_call_prints(&prints, call, photos, NULL, err));
  size_t kept = 0;
  for (size_t i = 0; i < photos->count; i++) {
    const wk_photo_hash hash = wk_prints_get(prints, i);
    const bool known = wk_photo_set_has(m->learned, &hash);
    *learned += known;
    if (known && !with_learned)
      continue;
    photos->paths[kept] = photos->paths[i];
    photos->names[kept] = photos->names[i];
    photos->labels[kept++] = photos->labels[i];
  }
  photos->count = kept;
  wk_prints_free(prints);
  return WK_OK;
}
