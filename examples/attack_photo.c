/* attack_photo.c - a copy of a photo that a model takes for another class, though nobody sees the difference.
 *
 *   attack_photo MODEL PHOTO CLASS COPY.png      CLASS: a label of the model */
#include <stdio.h>

#include "whisker/whisker.h"

int main(int argc, char **argv) {
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_attack_report *attacked = NULL;
  wk_error err = {0};
  wk_attack_photo_options o;
  if (argc != 5) {
    fprintf(stderr, "usage: attack_photo MODEL PHOTO CLASS COPY.png\n");
    return 2;
  }
  wk_attack_photo_options_init(&o);
  o.to = argv[3];
  o.attack.eps_255 = 4; /* no value moves by more than 4 of 255 */
  int failed = wk_session_open(&session, NULL, &err) || wk_open(&model, session, argv[1], &err) ||
               wk_attack_photo(&attacked, session, model, argv[2], argv[4], &o, &err);
  if (failed)
    fprintf(stderr, "%s\n", err.message);
  else
    printf("%s %.1f%% -> %s %.1f%% (%s), no value moved by more than %.0f of 255: %s\n", attacked->label_before,
           100 * (double)attacked->result.p_before, attacked->saved.label, 100 * attacked->saved.p,
           attacked->success ? "fooled" : "it withstood", attacked->result.linf_255, attacked->out);
  wk_attack_report_free(attacked);
  wk_model_free(model);
  wk_session_close(session);
  return failed;
}
