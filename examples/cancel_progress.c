/* cancel_progress.c - a long run that tells how far it is and can be stopped at any moment: fine-tuning, with every
 * epoch as it ends. Ctrl-C, or reaching the accuracy that is enough, stops it; the best epoch so far is kept.
 *
 *   cancel_progress PHOTOS NETWORK MODEL.whisker ENOUGH      ENOUGH: a share of the check photos, such as 0.95 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "whisker/whisker.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
  (void)signal;
  interrupted = 1;
}

typedef struct run {
  double enough;
  bool reached;
} run;

/* Callbacks may come from any thread, but never two at once. */
static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  (void)user;
  fprintf(stderr, "\r%s %llu/%llu   ", stage, (unsigned long long)done, (unsigned long long)total);
}

static bool on_cancel(void *user) { return interrupted || ((const run *)user)->reached; }

static void on_epoch(void *user, const wk_finetune_epoch *epoch) {
  run *r = user;
  printf("epoch %d: loss %.3f, right on %.1f%% of the check photos\n", epoch->epoch, epoch->train_loss,
         100 * epoch->val_top1);
  r->reached = epoch->epoch > 0 && epoch->val_top1 >= r->enough;
}

int main(int argc, char **argv) {
  wk_session *session = NULL;
  wk_train_report *report = NULL;
  wk_error err = {0};
  wk_session_options so;
  wk_train_options o;
  if (argc != 5) {
    fprintf(stderr, "usage: cancel_progress PHOTOS NETWORK MODEL.whisker ENOUGH\n");
    return 2;
  }
  run r = {.enough = atof(argv[4])};
  signal(SIGINT, on_interrupt);
  wk_session_options_init(&so);
  so.progress = on_progress;
  so.cancelled = on_cancel;
  so.user = &r;
  wk_train_options_init(&o, WK_TRAIN_FINETUNE);
  o.backbone = argv[2];
  o.finetune.depth = "last:1";
  o.out = argv[3];
  o.on_epoch = on_epoch;
  o.user = &r;
  int failed = wk_session_open(&session, &so, &err) || wk_train(NULL, &report, session, argv[1], &o, &err);
  if (failed)
    fprintf(stderr, "\n%s\n", err.message);
  else
    printf("%s: epoch %d is kept%s\n", report->model, report->finetune->best,
           report->finetune->cancelled ? ", the best until it was stopped" : "");
  wk_train_report_free(report);
  wk_session_close(session);
  return failed;
}
