/* train_predict.c - photos to a model, and the model's answer: train, test, save, open again, predict.
 *
 *   train_predict PHOTOS MODEL.whisker NEW_PHOTO [NETWORK]
 *
 * PHOTOS: one sub-folder a class, or train/ and test/ of these. NETWORK: what is learned with, a name or a weight file.
 */
#include <stdio.h>

#include "whisker/whisker.h"

int main(int argc, char **argv) {
  wk_session *session = NULL;
  wk_model *model = NULL, *opened = NULL;
  wk_train_report *trained = NULL;
  wk_evaluation *tested = NULL;
  wk_predictions *answer = NULL;
  wk_error err = {.message = "usage: train_predict PHOTOS MODEL.whisker NEW_PHOTO [NETWORK]"};
  const char *photo = argc >= 4 ? argv[3] : NULL;
  wk_train_options o;
  wk_train_options_init(&o, WK_TRAIN_PROBE);
  if (argc == 5)
    o.backbone = argv[4];
  int failed = !photo || wk_session_open(&session, NULL, &err) ||
               wk_train(&model, &trained, session, argv[1], &o, &err) ||
               wk_evaluate(&tested, session, model, argv[1], NULL, &err) || wk_save(model, argv[2], &err) ||
               wk_open(&opened, session, argv[2], &err) || wk_predict(&answer, session, opened, &photo, 1, NULL, &err);
  if (failed)
    fprintf(stderr, "%s\n", err.message);
  else
    printf("learned from %zu photos; right on %.1f%% of %zu in the %s split\n", trained->train_count,
           100 * tested->metrics->top1.value, tested->metrics->photo_count, tested->split);
  for (size_t i = 0; !failed && i < answer->photo_count; i++)
    printf("%s: %s %.1f%%\n", answer->photos[i].file, answer->photos[i].top[0].label, 100 * answer->photos[i].top[0].p);
  wk_predictions_free(answer);
  wk_evaluation_free(tested);
  wk_train_report_free(trained);
  wk_model_free(opened);
  wk_model_free(model);
  wk_session_close(session);
  return failed;
}
