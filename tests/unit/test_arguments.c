/* Pointers that are NULL: freeing nothing does nothing, and what the simple API cannot do without is an error that
 * names it, never a crash. */
#include "support.h"
#include "whisker/whisker.h"

static void freeing_nothing(void **state) {
  (void)state;
  wk_attack_report_free(NULL);
  wk_attack_result_free(NULL);
  wk_attribution_free(NULL);
  wk_backbone_free(NULL);
  wk_cache_close(NULL);
  wk_check_free(NULL);
  wk_check_report_free(NULL);
  wk_comparison_free(NULL);
  wk_dataset_free(NULL);
  wk_diff_classifier_free(NULL);
  wk_embedding_free(NULL);
  wk_embedding_map_free(NULL);
  wk_evaluation_free(NULL);
  wk_exec_free(NULL);
  wk_explain_input_free(NULL);
  wk_explain_report_free(NULL);
  wk_export_report_free(NULL);
  wk_feature_maps_free(NULL, 0);
  wk_feature_set_free(NULL);
  wk_features_free(NULL);
  wk_features_report_free(NULL);
  wk_filters_report_free(NULL);
  wk_finetune_result_free(NULL);
  wk_gallery_free(NULL);
  wk_gallery_report_free(NULL);
  wk_grad_exec_free(NULL);
  wk_grad_plan_free(NULL);
  wk_graph_free(NULL);
  wk_head_free(NULL);
  wk_ideal_report_free(NULL);
  wk_image_free(NULL);
  wk_import_free(NULL);
  wk_map_report_free(NULL);
  wk_metrics_free(NULL);
  wk_model_free(NULL);
  wk_named_photos_free(NULL);
  wk_nearest_report_free(NULL);
  wk_occlusion_free(NULL);
  wk_occlusion_report_free(NULL);
  wk_optim_free(NULL);
  wk_photo_list_free(NULL);
  wk_photo_set_free(NULL);
  wk_plan_free(NULL);
  wk_predictions_free(NULL);
  wk_prints_free(NULL);
  wk_robust_free(NULL);
  wk_robustness_report_free(NULL);
  wk_sanity_free(NULL, 0);
  wk_session_close(NULL);
  wk_sort_report_free(NULL);
  wk_studio_close(NULL);
  wk_tensors_free(NULL);
  wk_train_report_free(NULL);
  wk_trainer_free(NULL);
  wk_tricks_free(NULL);
  wk_visualization_free(NULL);
}

/* What `call` says where `which` is NULL. */
#define REFUSED(call, which)                                                                                           \
  do {                                                                                                                 \
    memset(&err, 0, sizeof err);                                                                                       \
    assert_int_equal(call, WK_ERR_ARGUMENT);                                                                           \
    assert_string_equal(err.message, which " is NULL, but must be given");                                             \
  } while (0)

static void what_must_be_given(void **state) {
  (void)state;
  wk_error err;
  wk_session *s = NULL;
  wk_model *m = NULL;
  wk_predictions *predictions = NULL;
  wk_embedding *embedding = NULL;
  wk_evaluation *evaluation = NULL;
  wk_attack_report *attacked = NULL;
  wk_comparison *compared = NULL;
  wk_tricks *tricks = NULL;
  wk_explain_report *explained = NULL;
  wk_check_report *checked = NULL;
  wk_gallery_report *gallery = NULL;
  wk_robustness_report *robust = NULL;
  wk_image picture = {0};
  const char *const photo[] = {"photo.jpg"};
  REFUSED(wk_session_open(NULL, NULL, &err), "out");
  REFUSED(wk_open(&m, NULL, "resnet18", &err), "s");
  REFUSED(wk_train(&m, NULL, NULL, "photos", NULL, &err), "s");
  REFUSED(wk_save(NULL, "m.whisker", &err), "m");
  REFUSED(wk_contact_sheet(&picture, NULL, "photos", NULL, &err), "session");
  assert_ok(wk_session_open(&s, NULL, &err), &err);
  REFUSED(wk_open(&m, s, NULL, &err), "name");
  REFUSED(wk_train(&m, NULL, s, NULL, NULL, &err), "data");
  REFUSED(wk_predict(&predictions, s, NULL, photo, 1, NULL, &err), "m");
  REFUSED(wk_embed(&embedding, s, NULL, photo, 1, NULL, &err), "m");
  REFUSED(wk_evaluate(&evaluation, s, NULL, "photos", NULL, &err), "m");
  REFUSED(wk_attack_photo(&attacked, s, NULL, photo[0], "out.png", NULL, &err), "m");
  REFUSED(wk_explain(&explained, s, NULL, photo[0], "out.png", NULL, &err), "m");
  REFUSED(wk_gallery_make(&gallery, s, NULL, "photos", "folder", NULL, &err), "m");
  REFUSED(wk_robustness(&robust, s, NULL, "photos", NULL, &err), "m");
  REFUSED(wk_compare(&compared, s, NULL, NULL, &err), "data");
  REFUSED(wk_tricks_measure(&tricks, s, NULL, NULL, &err), "data");
  REFUSED(wk_check_data(&checked, s, NULL, NULL, &err), "data");
  assert_int_equal(wk_compare(&compared, s, NULL, NULL, NULL), WK_ERR_ARGUMENT); /* `err` may be NULL */
  wk_session_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(freeing_nothing), cmocka_unit_test(what_must_be_given)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
