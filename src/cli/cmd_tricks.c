/* cmd_tricks.c - `whisker tricks`: the tricks of training as one measured table. */
#include <math.h>
#include <string.h>

#include "cli.h"

typedef struct teller {
  cli *cli;
  const wk_tricks_options *o;
  double base; /* the first row's */
  bool begun;
} teller;

static void on_data(void *user, const wk_train_data *d) {
  const teller *t = user;
  cli_say(t->cli,
          "%s: %s to learn from, %s to check on; %s from scratch, %d epoch%s, %d seed%s\n\n%-18s %-26s %7s   %-5s "
          "%7s %8s  %s\n",
          d->name, cli_photos(d->train_count), cli_count(d->val_count), wk_arch_find(t->o->backbone)->name,
          t->o->epochs, t->o->epochs == 1 ? "" : "s", t->o->seeds, t->o->seeds == 1 ? "" : "s", "trick", "setting",
          "top-1", "dev.", "points", "s a run", "beside the base");
}

static void on_row(void *user, const wk_trick_row *r) {
  teller *t = user;
  char gain[32] = "", deviation[32] = "";
  if (isfinite(r->deviation))
    snprintf(deviation, sizeof deviation, "\u00b1 %.1f", 100 * r->deviation);
  if (t->begun && r->diverged < r->seeds)
    snprintf(gain, sizeof gain, "%+.1f", 100 * (r->top1 - t->base));
  if (!t->begun)
    t->base = r->top1;
  t->begun = true;
  cli_say(t->cli, "%-18s %-26s %7s %*s%s %7s %8.1f  %s\n", r->trick, r->setting, cli_percent(r->top1),
          *deviation ? 7 - (int)strlen(deviation) + 1 : 7, "", deviation, gain, r->seconds,
          r->diverged == r->seeds          ? "diverged"
          : r->verdict == WK_VERDICT_BASE  ? ""
          : r->verdict == WK_VERDICT_LEVEL ? "not told apart"
                                           : wk_verdict_name(r->verdict));
}

int cli_tricks(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  wk_tricks_options o;
  wk_tricks_options_init(&o);
  const cli_flag flags[] = {
      {"backbone", 'b', CLI_STRING, &o.backbone, "NAME", "architecture to train", 0, 0, NULL},
      {"epochs", 0, CLI_INT, &o.epochs, "N", "passes over the training photos", 1, 100000, NULL},
      {"seeds", 0, CLI_INT, &o.seeds, "N", "number of runs of each row, each with a seed of its own", 1, 1000, NULL},
      {"size", 0, CLI_INT, &o.size, "PIXELS", "side of the network's input; 0: the architecture's own", 0, 4096, NULL},
      {"val", 0, CLI_STRING, &o.val, "DATA|FRACTION",
       "validation photos, or the share to hold out; default: val/, else test/, else a fifth", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"output", 'o', CLI_STRING, &o.out, "FILE.svg", "draw the table as a picture", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  teller t = {.cli = c, .o = &o};
  o.labels_from_name = names == 1;
  o.on_data = on_data;
  o.on_row = on_row;
  o.user = &t;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_tricks *table = NULL;
  wk_status st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_tricks_measure(&table, session, argv[0], &o, &err);
  int rc;
  if (st == WK_ERR_CANCELLED) {
    fputs("whisker: stopped before a row was finished\n", stderr);
    rc = CLI_INTERRUPTED;
  } else if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    cli_say(
        c,
        "\nAlways naming the commonest class is right for %s. \"Not told apart\": the difference is within what %s.\n",
        cli_percent(table->chance),
        o.seeds > 1 ? "these seeds differ by" : "so few photos can tell; more seeds tell more");
    if (table->out)
      cli_say(c, "\nThe picture is in %s\n", table->out);
    rc = cli_print_report(c, wk_tricks_json(table));
    if (table->cancelled && rc == CLI_DONE) {
      fprintf(stderr, "whisker: stopped; %zu of %zu rows are finished%s\n", table->row_count, table->row_total,
              table->out ? ", and in the picture" : "");
      rc = CLI_INTERRUPTED;
    }
  }
  wk_tricks_free(table);
  return rc;
}
