/* cmd_compare.c - `whisker compare`: several backbones, heads and depths of fine-tuning on one data set, with the same
 * split, as a table. */
#include <math.h>

#include "cli.h"

static void on_data(void *user, const wk_train_data *d) {
  cli_say(user, "%s: %s to learn from, %s to check on, %d classes\n\n%-24s %-14s %7s  %-11s %8s %8s %9s %8s\n", d->name,
          cli_photos(d->train_count), cli_count(d->val_count), d->class_count, "backbone", "head", "top-1", "interval",
          "log loss", "photos/s", "size", "fit, s");
}

static void on_row(void *user, const wk_compare_row *r) {
  cli_say(user, "%-24s %-14s %7s  %-11s %8.4f %8s %9s %8.2f\n", r->shown, r->head, cli_percent(r->top1.value),
          cli_interval(r->top1), r->loss, isfinite(r->photos_per_second) ? cli_short(r->photos_per_second) : "kept",
          cli_bytes(r->bytes), r->seconds_fit);
}

/* The rows of one verdict in a line of their own; `p` tells how likely each difference is by chance. */
static void say_rows(cli *c, const wk_comparison *t, wk_verdict verdict, const char *what) {
  bool begun = false;
  for (size_t i = 0; i < t->row_count; i++) {
    const wk_compare_row *r = &t->rows[i];
    if (i == t->best || r->verdict != verdict)
      continue;
    cli_say(c, "%s%s, %s", begun ? "; " : what, r->shown, r->head);
    if (verdict != WK_VERDICT_SAME)
      cli_say(c, " (only it right: %zu, only the best: %zu; p %.2g)", r->only_this, r->only_best, r->p_value);
    begun = true;
  }
  if (begun)
    cli_say(c, "\n");
}

static void say_verdicts(cli *c, const wk_comparison *t) {
  const wk_compare_row *best = &t->rows[t->best];
  if (t->row_count > 1)
    cli_say(c, "\nRight most often: %s, %s (%s)\n", best->shown, best->head, cli_percent(best->top1.value));
  say_rows(c, t, WK_VERDICT_SAME, "The same as it, photo by photo: ");
  say_rows(c, t, WK_VERDICT_LEVEL, "Not told apart from it by these photos: ");
  say_rows(c, t, WK_VERDICT_WORSE, "Worse than it: ");
  bool begun = false;
  for (size_t i = 0; i < t->row_count; i++)
    if (!t->rows[i].above_chance) {
      cli_say(c, "%s%s, %s", begun ? "; " : "No better than chance: ", t->rows[i].shown, t->rows[i].head);
      begun = true;
    }
  cli_say(c, begun ? " (always naming the commonest class is right for %s)\n" : "", cli_percent(t->chance));
}

int cli_compare(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  wk_compare_options o;
  wk_compare_options_init(&o);
  const cli_flag flags[] = {
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from}, {0}};
  cli_add_options(c, &o, wk_compare_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  o.labels_from_name = names == 1;
  o.on_data = on_data;
  o.on_row = on_row;
  o.user = c;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_comparison *table = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_compare(&table, session, argv[0], &o, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    say_verdicts(c, table);
    if (table->out)
      cli_say(c, "\nThe picture is in %s\n", table->out);
    rc = cli_print_report(c, wk_comparison_json(table));
  }
  wk_comparison_free(table);
  return rc;
}
