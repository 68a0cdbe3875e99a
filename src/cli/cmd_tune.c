/* cmd_tune.c - `whisker train --tune` and `--from-scratch` in words: the epochs as they go by, and what came of them.
 */
#include <math.h>
#include <stdlib.h>

#include "tune_says.h"

/* Eight heights of a bar, for the share right. */
static const char *bar(double share) {
  static const char *const height[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  int at = isfinite(share) ? (int)(share * 8) : 0;
  return height[at < 0 ? 0 : at > 7 ? 7 : at];
}

static void say_attacked(cli *c, const wk_finetune_epoch *e) {
  if (isfinite(e->attacked_top1))
    cli_note(c, "  attacked %6s  %s", cli_percent(e->attacked_top1), bar(e->attacked_top1));
}

void cli_tune_say_epoch(cli *c, int epochs, const wk_finetune_epoch *e) {
  if (e->epoch == 0) {
    if (isfinite(e->val_top1))
      cli_note(c, "epoch %3d/%-3d              check %6s  %s", 0, epochs, cli_percent(e->val_top1), bar(e->val_top1));
    say_attacked(c, e);
    if (isfinite(e->val_top1))
      cli_note(c, "  before the first step\n");
    return;
  }
  cli_note(c, "epoch %3d/%-3d  loss %-7.4f", e->epoch, epochs, e->train_loss);
  if (isfinite(e->val_top1))
    cli_note(c, " check %6s  %s", cli_percent(e->val_top1), bar(e->val_top1));
  say_attacked(c, e);
  cli_note(c, "  %.1f s%s\n", e->seconds, e->best && isfinite(e->val_top1) ? "   best so far, kept" : "");
}

/* What adversarial training bought; what it cost is told by the line on right answers. */
static void say_withstood(cli *c, const wk_train_report *report) {
  const wk_finetune_result *r = report->finetune;
  if (!r->attacked)
    return;
  cli_say(c, "Attacked by up to %g/255 (a few steps, %zu check photos), %s stayed right", report->adversarial_eps_255,
          r->attacked, cli_percent(r->attacked_after));
  if (report->kind != WK_TRAIN_SCRATCH)
    cli_say(c, "; before the training %s", cli_percent(r->attacked_before));
  cli_say(c, ". `whisker robust` attacks harder, and photos that were not seen here.\n");
}

void cli_tune_say_result(cli *c, const wk_train_report *report, bool light) {
  const wk_finetune_result *r = report->finetune;
  if (report->rates)
    cli_say(c, "Learning rate %.3g, where the loss fell fastest: %s\n", r->rates.suggested, report->rates);
  if (r->trouble)
    cli_say(c, "  ! %s\n", r->trouble);
  if (r->cancelled)
    cli_say(c, "Stopped by you: the best epoch so far (%d) is what is saved; --resume goes on.\n", r->best);
  else if (r->stopped_early)
    cli_say(c, "No better epoch for a while: stopped early. Epoch %d is kept.\n", r->best);
  if (r->best == 0 && r->probe_val && r->tuned_val && !r->cancelled) {
    cli_say(c, "The plain classifier had %s, and no epoch was better than its start (epoch 0): kept the %s.\n",
            cli_percent(r->probe_val->top1.value),
            r->tuned ? "network as it was, with epoch 0's classifier" : "plain one");
  } else if (r->probe_val && r->tuned_val) {
    long better = lround(r->tuned_val->top1.value * (double)r->tuned_val->photo_count) -
                  lround(r->probe_val->top1.value * (double)r->probe_val->photo_count);
    cli_say(c, "The plain classifier had %s; tuned %s (interval %s): ", cli_percent(r->probe_val->top1.value),
            cli_percent(r->tuned_val->top1.value), cli_interval(r->tuned_val->top1));
    bool overlap =
        r->tuned_val->top1.low <= r->probe_val->top1.high && r->probe_val->top1.low <= r->tuned_val->top1.high;
    if (better == 0)
      cli_say(c, "no difference in right answers");
    else
      cli_say(c, "%s by %ld photo%s of %zu%s", better > 0 ? "better" : "worse", labs(better),
              labs(better) == 1 ? "" : "s", r->tuned_val->photo_count, overlap ? ", which may be luck" : "");
    cli_say(c, ". Kept the %s; --keep %s keeps the other.\n", r->tuned ? "tuned one" : "plain one",
            r->tuned ? "probe" : "tuned");
  } else if (report->val) {
    cli_say(c, "right on %s of the check photos (interval %s)\n", cli_percent(report->val_top1.value),
            cli_interval(report->val_top1));
  }
  say_withstood(c, report);
  if (r->tuned && r->tuned_val && r->calibration.temperature != 1)
    cli_say(c, "Calibration error %s before and %s after a temperature of %.2f.\n",
            cli_percent(r->calibration.ece_before), cli_percent(r->calibration.ece_after), r->calibration.temperature);
  if (light && r->tuned)
    cli_say(c, "  ! --head-only is left out: tuned weights exist in this file only\n");
  cli_say(c, "Saved %s in %.1f s; its history is in %s, the curve in %s\n", report->model, report->seconds,
          report->history, report->curve);
}
