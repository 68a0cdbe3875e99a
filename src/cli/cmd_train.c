/* cmd_train.c - `whisker train`: photos in class folders to a model in one file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tune_says.h"

/* Flags that are no option as they stand. */
typedef struct train_flags {
  const char *out, *list, *depth, *lr, *augment;
  bool from_scratch;
  int labels_from;
} train_flags;

typedef struct teller {
  cli *cli;
  const wk_train_options *o;
} teller;

/* ---- in words ---------------------------------------------------------------------------------- */

static void on_data(void *user, const wk_train_data *d) {
  const teller *t = user;
  cli *c = t->cli;
  cli_note(c, "%s: %s, %d classes, %s", d->name, cli_photos(d->photo_count), d->class_count, cli_count(d->smallest));
  if (d->largest != d->smallest)
    cli_note(c, " to %s", cli_count(d->largest));
  cli_note(c, " a class");
  if (d->val_count)
    cli_note(c, " (%s to learn from, %s to check on)", cli_count(d->train_count), cli_count(d->val_count));
  cli_note(c, "\n");
  if (d->ignored)
    cli_note(c, "  ! %zu file%s: left out\n", d->ignored, d->ignored == 1 ? " is no photo" : "s are not photos");
  if (d->smallest < 2)
    cli_note(
        c,
        "  ! some classes have one photo: it is learned from, so nothing tells how well they are known; 10 each are a "
        "start\n");
  if (d->largest > 5 * d->smallest && !t->o->probe.balance)
    cli_note(c, "  ! some classes have over 5 times as many photos as others: --balance gives each the same weight\n");
}

static void on_epoch(void *user, const wk_finetune_epoch *epoch) {
  const teller *t = user;
  cli_tune_say_epoch(t->cli, t->o->finetune.epochs, epoch);
}

static void say_probe(cli *c, const wk_train_report *r) {
  static const char *const checked_on[] = {[WK_CHECKED_ON_HELD_BACK] = "it did not learn from",
                                           [WK_CHECKED_IN_TURN] = "in turn left out",
                                           [WK_CHECKED_FOR_PENALTY] = "held back to choose its L2"};
  if (r->val && r->val->k > 1 && r->val->k < r->val->class_count)
    cli_say(c, "classifier  top-1 %s  top-%d %s  (%s it did not learn from, interval %s)\n",
            cli_percent(r->val_top1.value), r->val->k, cli_percent(r->val->topk.value), cli_photos(r->val_count),
            cli_interval(r->val_top1));
  else if (r->checked_on)
    cli_say(c, "classifier  %s right  (%s %s, interval %s)\n", cli_percent(r->val_top1.value), cli_photos(r->val_count),
            checked_on[r->checked_on], cli_interval(r->val_top1));
  if (r->folds)
    cli_say(c, "%-2d folds    %s \302\261 %s right  (each photo by a classifier that had not seen it)\n", r->folds,
            cli_percent(r->folds_top1), cli_percent(r->folds_deviation));
  if (r->head == WK_HEAD_LINEAR)
    cli_say(c, "            L2 %g%s\n", r->probe.l2,
            isnan(r->probe.held_out_top1) ? "" : ", chosen on photos left out");
  cli_say(c, "Saved %s (%s) in %.1f s.%s\n", r->model, cli_bytes(r->bytes), r->seconds,
          c->features ? " The features are kept: another --head, --l2 or split takes a moment." : "");
}

/* ---- what was asked for ------------------------------------------------------------------------ */

/* The recipe's own defaults, and what was given over them. */
static void choose_recipe(wk_train_options *o, const cli *c, const train_flags *f) {
  const double eps_255 = o->finetune.adversary.eps_255;
  if (f->from_scratch)
    wk_finetune_options_scratch(&o->finetune);
  else if (eps_255 > 0)
    wk_finetune_options_adversarial(&o->finetune, eps_255);
  if (f->from_scratch || eps_255 > 0)
    cli_apply_given(c, &o->finetune, wk_finetune_options_table());
  if (f->depth && !f->from_scratch)
    o->finetune.depth = f->depth;
  o->kind = f->from_scratch ? WK_TRAIN_SCRATCH : f->depth || eps_255 > 0 ? WK_TRAIN_FINETUNE : WK_TRAIN_PROBE;
  o->finetune.balance = o->probe.balance;
  if (!o->teacher)
    o->finetune.loss.distill = 0;
  o->labels_from_name = f->labels_from == 1;
}

/* The values that are more than one option. */
static wk_status read_texts(wk_train_options *o, const train_flags *f, wk_error *err) {
  o->finetune.find_lr = f->lr && !strcmp(f->lr, "auto");
  if (f->lr && !o->finetune.find_lr) {
    char *end;
    const double lr = strtod(f->lr, &end);
    if (end == f->lr || *end || !(lr > 0) || !isfinite(lr))
      return cli_error(err, WK_ERR_ARGUMENT, "--lr must be a number above 0, or auto (got '%.60s')", f->lr);
    o->finetune.schedule.lr = lr;
  }
  o->augment_given = f->augment != NULL;
  o->finetune.augment_few = o->finetune.augment_few && !f->augment;
  return f->augment ? wk_augment_parse(&o->finetune.augment, f->augment, err) : WK_OK;
}

/* A flag of fine-tuning that was given although nothing is tuned; NULL: none. */
static const char *misplaced(const cli *c, const train_flags *f, const wk_train_options *o) {
  wk_option row;
  if (o->kind != WK_TRAIN_PROBE || o->show_augment)
    return NULL;
  for (int i = 0; wk_options_row(&row, wk_finetune_options_table(), i); i++)
    if (!(row.flags & WK_OPTION_NO_FLAG) && cli_was_given(c, row.name))
      return row.name;
  return f->lr ? "lr" : o->teacher ? "teacher" : f->augment ? "augment" : NULL;
}

/* Do the flags go together? 0, or an exit code. */
static int check_flags(cli *c, const cli_command *self, const train_flags *f, const wk_train_options *o) {
  const bool tuning = o->kind != WK_TRAIN_PROBE;
  const char *wrong = misplaced(c, f, o);
  wk_error err = {0};
  if (wrong)
    return cli_usage_error(self,
                           "--%s goes with --tune, --from-scratch or --adversarial: without them nothing but a "
                           "classifier is fitted",
                           wrong);
  if (o->add) {
    static const char *const own[] = {"backbone",     "arch",        "val",      "size",        "resize",
                                      "precision",    "head",        "l2",       "k",           "balance",
                                      "refit",        "head-only",   "group-by", "seed",        "tune",
                                      "from-scratch", "adversarial", "teacher",  "show-augment"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
      if (cli_was_given(c, own[i]))
        return cli_usage_error(self, "--%s does not go with --add: it is trained as %s was", own[i], o->add);
  }
  if (tuning && (o->probe.kind != WK_HEAD_LINEAR || o->refit))
    return cli_usage_error(self,
                           "--tune, --from-scratch and --adversarial train a linear head: --head and --refit do not "
                           "go with them");
  if (tuning && o->precision != WK_PRECISION_FLOAT32 && o->precision != WK_PRECISION_AUTO)
    return cli_usage_error(self,
                           "--precision %s is for fitting a classifier: --tune, --from-scratch and --adversarial "
                           "train through the network, in float32",
                           wk_precision_choice_name(o->precision));
  if (o->precision != WK_PRECISION_AUTO && wk_precision_check((wk_precision)o->precision, &err) != WK_OK)
    return cli_fail(c, &err);
  return 0;
}

/* photos/ -> photos.whisker; NULL: no memory. */
static char *default_output(const char *data) {
  char *name = strdup(data);
  if (!name)
    return NULL;
  for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
    name[n - 1] = 0;
  const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
  char *out = malloc(strlen(base) + sizeof ".whisker" + 5);
  if (out)
    sprintf(out, "%s.whisker", !*base || !strcmp(base, ".") || !strcmp(base, "..") ? "model" : base);
  free(name);
  return out;
}

int cli_train(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  train_flags f = {0};
  wk_train_options o, scratch;
  wk_train_options_init(&o, WK_TRAIN_PROBE);
  wk_train_options_init(&scratch, WK_TRAIN_SCRATCH);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &f.out, "MODEL", "model file to write; default: DATA's name and .whisker", 0, 0,
       NULL},
      {"labels-from", 0, CLI_CHOICE, &f.labels_from, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"list", 0, CLI_STRING, &f.list, "CSV", "list of photos and labels (columns file,label) instead of class folders",
       0, 0, NULL},
      {"tune", 0, CLI_STRING, &f.depth, "DEPTH",
       "fine-tune the network: head, last:N stages, all, the name of a stage, or from:LAYER", 0, 0, NULL},
      {"from-scratch", 0, CLI_BOOL, &f.from_scratch, NULL,
       "train a randomly initialised network instead of a pretrained one", 0, 0, NULL},
      {"lr", 0, CLI_STRING, &f.lr, "RATE",
       "learning rate; auto: found by a range test; default: the optimiser's own, smaller for few photos", 0, 0, NULL},
      {"augment", 0, CLI_STRING, &f.augment, "LIST",
       "data augmentation, such as scale=0.6:1,hflip=0.5,rotate=10 or aa=rand-m7; default: gentle where photos are few",
       0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_train_options_table(), NULL);
  cli_add_options(c, &o.probe, wk_probe_options_table(), NULL);
  cli_add_options(c, &o.finetune, wk_finetune_options_table(), NULL);
  c->other = (cli_options){&scratch.finetune, wk_finetune_options_table(), NULL};
  c->other_when = "from scratch";
  CLI_PARSE(n, c, self, flags, 0, 1, argc, argv)
  wk_error err = {0};
  choose_recipe(&o, c, &f);
  if (read_texts(&o, &f, &err) != WK_OK)
    return cli_usage_error(self, "%s", err.message);
  int wrong = check_flags(c, self, &f, &o);
  if (wrong)
    return wrong;
  if (n == 0 && !f.list)
    return cli_usage_error(self, "say where the photos are: whisker train DATA");
  const char *data = f.list ? f.list : argv[0];
  bool showing = o.show_only = o.kind == WK_TRAIN_PROBE && o.show_augment;
  teller t = {.cli = c, .o = &o};
  o.on_data = on_data;
  o.on_epoch = on_epoch;
  o.user = &t;
  wk_train_report *report = NULL;
  char *out = f.out ? strdup(f.out) : o.add ? strdup(o.add) : default_output(data);
  struct stat exists;
  wk_session *session = NULL;
  wk_status st = WK_OK;
  if (!out)
    st = cli_no_memory(&err);
  else if (!f.out && !o.add && !showing && stat(out, &exists) == 0)
    st = cli_error(&err, WK_ERR_IO, "%s: is there already; name the file to write with -o", out);
  o.out = out;
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_train(NULL, &report, session, data, &o, &err);
  int rc = CLI_DONE;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    if (report->finetune)
      cli_tune_say_result(c, report, o.light);
    else if (!showing)
      say_probe(c, report);
    rc = cli_print_report(c, wk_train_report_json(report));
    if (rc == CLI_DONE && report->finetune && report->finetune->cancelled)
      rc = CLI_INTERRUPTED;
  }
  wk_train_report_free(report);
  free(out);
  return rc;
}
