/* explain_input.c - a photo as a network sees it, and what the model says to it. */
#include "whisker/explain_input.h"
#include "base/base.h"
#include "model/model.h"
#include "whisker/data.h"
#include "whisker/diff_classifier.h"

wk_status wk_explain_input_open(wk_explain_input *out, const char *path, const wk_preprocess *p, wk_error *err) {
  *out = (wk_explain_input){0};
  wk_decode_options o;
  wk_preprocess_decode_options(&o, p);
  WK_RETURN_IF_ERROR(wk_photo_load(&out->photo, path, &o, err));
  WK_RETURN_IF_ERROR(wk_preprocess_pixels(&out->seen, &out->photo, p, err));
  out->input = wk_alloc_array((size_t)p->width * (size_t)p->height * 3, sizeof *out->input);
  if (!out->input)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %d x %d pixels", path, p->width, p->height);
  wk_preprocess_normalise(out->input, out->seen.pixels, p);
  wk_preprocess_box(out->box, out->photo.width, out->photo.height, p);
  return WK_OK;
}

void wk_explain_input_free(wk_explain_input *v) {
  if (!v)
    return;
  wk_image_free(&v->photo);
  wk_image_free(&v->seen);
  wk_free(v->input);
  *v = (wk_explain_input){0};
}

wk_status wk_explain_input_predict(float *p, const wk_explain_input *v, const wk_model *m, const wk_context *ctx,
                                   wk_error *err) {
  const wk_backbone *b = m->backbone;
  const wk_node output = m->head ? wk_graph_features(b->graph) : wk_graph_logits(b->graph);
  if (m->label_count < 1 || output < 0)
    return wk_model_no_classes(m, err);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = b->preprocess.height;
  o.width = b->preprocess.width;
  o.batch = 1;
  o.threads = wk_context_threads(ctx);
  o.output = &output;
  o.outputs = 1;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  wk_status st;
  WK_TRY(wk_plan_create(&plan, b->graph, b->weights, &o, err));
  WK_TRY(wk_exec_create(&exec, plan, err));
  WK_TRY(wk_exec_run(exec, v->input, 1, err));
  if (m->head)
    wk_head_predict(p, m->head, wk_exec_output(exec, 0), 1);
  else
    wk_diff_classifier_softmax(p, wk_exec_output(exec, 0), m->label_count);
done:
  wk_exec_free(exec);
  wk_plan_free(plan);
  return st;
}
