/* model_open.c - a model by what names it: a model file, a network of the registry, or a weight file. */
#include "model/model.h"

wk_status wk_model_open(wk_model **out, const char *name, const char *arch, const wk_pull_options *o,
                        const wk_context *ctx, wk_error *err) {
  bool is_model = false;
  if (!wk_arch_find(name))
    WK_RETURN_IF_ERROR(wk_model_is_file(&is_model, name, err));
  if (is_model)
    return wk_model_read(out, name, o, ctx, err);
  wk_backbone *b = NULL;
  WK_RETURN_IF_ERROR(wk_backbone_open(&b, name, arch, o, ctx, err));
  wk_status st = wk_model_create(out, b, NULL, NULL, NULL, err);
  if (st != WK_OK)
    wk_backbone_free(b);
  return st;
}
