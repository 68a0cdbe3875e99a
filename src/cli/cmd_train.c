/* cmd_train.c - `whisker train`: photos in class folders to a model in one file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tune_flags.h"

typedef struct train_flags {
  const char *backbone, *arch, *out, *list, *val;
  int head, k, size, resize, precision;
  double l2;
  bool balance, light, refit;
  cli_tune tune;
} train_flags;

typedef struct teller {
  cli *cli;
  const train_flags *flags;
  int epochs;
} teller;

/* ---- in words ---------------------------------------------------------------------------------- */

static void on_data(void *user, const wk_train_data *d) {
  const teller *t = user;
  cli *c = t->cli;
  cli_say(c, "%s: %s photos, %d classes, %s", d->name, cli_count(d->photo_count), d->class_count,
          cli_count(d->smallest));
  if (d->largest != d->smallest)
    cli_say(c, " to %s", cli_count(d->largest));
  cli_say(c, " a class");
  if (d->val_count)
    cli_say(c, " (%s to learn from, %s to check on)", cli_count(d->train_count), cli_count(d->val_count));
  cli_say(c, "\n");
  if (d->ignored)
    cli_say(c, "  ! %zu file%s: left out\n", d->ignored, d->ignored == 1 ? " is no photo" : "s are not photos");
  if (d->smallest < 2)
    cli_say(
        c,
        "  ! some classes have one photo: it is learned from, so nothing tells how well they are known; 10 each are a "
        "start\n");
  if (d->largest > 5 * d->smallest && !t->flags->balance)
    cli_say(c, "  ! some classes have over 5 times as many photos as others: --balance gives each the same weight\n");
}

static void on_epoch(void *user, const wk_finetune_epoch *epoch) {
  const teller *t = user;
  cli_tune_say_epoch(t->cli, t->epochs, epoch);
}

static void say_probe(cli *c, const wk_train_report *r) {
  static const char *const checked_on[] = {[WK_CHECKED_ON_HELD_BACK] = "it did not learn from",
                                           [WK_CHECKED_IN_TURN] = "in turn left out",
                                           [WK_CHECKED_FOR_PENALTY] = "held back to choose its L2"};
  if (r->val && r->val->class_count > 3)
    cli_say(c, "classifier  top-1 %s  top-%d %s  (%s photos it did not learn from, interval %s)\n",
            cli_percent(r->val_top1.value), r->val->k, cli_percent(r->val->topk.value), cli_count(r->val_count),
            cli_interval(r->val_top1));
  else if (r->checked_on)
    cli_say(c, "classifier  %s right  (%s photos %s, interval %s)\n", cli_percent(r->val_top1.value),
            cli_count(r->val_count), checked_on[r->checked_on], cli_interval(r->val_top1));
  if (r->head == WK_HEAD_LINEAR)
    cli_say(c, "            L2 %g%s\n", r->probe.l2,
            isnan(r->probe.held_out_top1) ? "" : ", chosen on photos left out");
  cli_say(c, "Saved %s (%s) in %.1f s.%s\n", r->model, cli_bytes(r->bytes), r->seconds,
          c->features ? " The features are kept: another --head, --l2 or split takes a moment." : "");
}

/* ---- what was asked for ------------------------------------------------------------------------ */

static void options_from(wk_train_options *o, const train_flags *f, teller *t) {
  wk_train_options_init(o, f->tune.from_scratch ? WK_TRAIN_SCRATCH
                           : f->tune.depth      ? WK_TRAIN_FINETUNE
                                                : WK_TRAIN_PROBE);
  o->backbone = f->backbone;
  o->arch = f->arch;
  o->val = f->val;
  o->size = f->size;
  o->resize = f->resize;
  o->precision = f->precision;
  o->probe.kind = (wk_head_kind)f->head;
  o->probe.balance = f->balance;
  o->probe.k = f->k;
  if (!isnan(f->l2))
    o->probe.l2 = f->l2;
  o->refit = f->refit;
  cli_tune_options(&o->finetune, &f->tune);
  o->finetune.balance = f->balance;
  o->augment_given = f->tune.augment_text != NULL;
  o->teacher = f->tune.teacher;
  o->light = f->light;
  o->show_augment = f->tune.show_augment;
  o->show_only = o->kind == WK_TRAIN_PROBE && f->tune.show_augment;
  o->on_data = on_data;
  o->on_epoch = on_epoch;
  o->user = t;
  t->epochs = o->finetune.epochs;
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
  static const char *const from[] = {"folder", "name", NULL}, *const precision_names[] = {"float32", "int8", "bf16",
                                                                                          "auto", NULL};
  int names = 0;
  train_flags f = {.backbone = "efficientnet_lite0", .k = 5, .l2 = NAN};
  cli_tune fresh, attacked;
  cli_tune_init(&f.tune, CLI_TUNE_PLAIN);
  cli_tune_init(&fresh, CLI_TUNE_SCRATCH);
  cli_tune_init(&attacked, CLI_TUNE_ADVERSARIAL);
  const cli_flag own[] = {
      {"backbone", 'b', CLI_STRING, &f.backbone, "NAME|FILE", "pretrained network, by name or a weight file", 0, 0,
       NULL},
      {"output", 'o', CLI_STRING, &f.out, "MODEL", "where the model goes; without: DATA's name and .whisker", 0, 0,
       NULL},
      {"val", 0, CLI_STRING, &f.val, "DATA|FRACTION",
       "photos to check on; without: val/, else a fifth (none when there is a test/)", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"list", 0, CLI_STRING, &f.list, "CSV", "a list of photos and labels (columns file,label) instead of folders", 0,
       0, NULL},
      {"head", 0, CLI_CHOICE, &f.head, "KIND", "what learns", 0, 0, cli_head_names},
      {"l2", 0, CLI_DOUBLE, &f.l2, "W", "penalty on the weights; without: chosen on photos left out", 0, 1e9, NULL},
      {"precision", 0, CLI_CHOICE, &f.precision, "KIND",
       "what features are computed in, also by the model later; auto: int8, or else bf16, where that is faster and as "
       "accurate",
       0, 0, precision_names},
      {"balance", 0, CLI_BOOL, &f.balance, NULL, "give every class the same weight, however many photos it has", 0, 0,
       NULL},
      {"refit", 0, CLI_BOOL, &f.refit, NULL, "after checking, fit once more on all photos", 0, 0, NULL},
      {"adversarial", 0, CLI_DOUBLE, &f.tune.adversarial, "EPS",
       "fine-tune (--tune all, unless that is given) on photos attacked by up to EPS grey levels of 255 as well; 0: no",
       0, 255, NULL},
      {"k", 0, CLI_INT, &f.k, "K", "neighbours of --head knn", 1, 1000, NULL},
      {"size", 0, CLI_INT, &f.size, "PIXELS", "input side; 0: the backbone's own", 0, 4096, NULL},
      {"resize", 0, CLI_INT, &f.resize, "PIXELS", "shorter side before the crop; 0: in the backbone's own ratio", 0,
       8192, NULL},
      {"light", 0, CLI_BOOL, &f.light, NULL, "keep the backbone's name and hash in the file, not its weights", 0, 0,
       NULL},
      {"arch", 0, CLI_STRING, &f.arch, "NAME", "what a weight file holds, where that cannot be seen", 0, 0, NULL}};
  enum { OWN = sizeof own / sizeof *own };
  cli_flag flags[OWN + CLI_TUNE_FLAGS + 1] = {0};
  memcpy(flags, own, sizeof own);
  cli_tune_table(flags + OWN, &f.tune);
  cli_flag other[CLI_TUNE_FLAGS + 1] = {0};
  cli_tune_table(other, &fresh);
  c->other = other;
  c->other_when = "from scratch";
  CLI_PARSE(n, c, self, flags, 0, 1, argc, argv)
  bool adversarial = f.tune.adversarial > 0;
  if (adversarial && !f.tune.from_scratch)
    cli_tune_table(other, &attacked);
  if (adversarial || f.tune.from_scratch)
    cli_take_other(c, flags);
  c->other = NULL;
  bool tuning = f.tune.depth || f.tune.from_scratch;
  wk_error wrong = {0};
  if (cli_tune_read(&f.tune, &wrong) != WK_OK)
    return cli_usage_error(self, "%s", wrong.message);
  bool showing = !tuning && f.tune.show_augment;
  const char *misplaced = tuning || showing ? NULL : cli_tune_misplaced(c, &f.tune);
  if (misplaced || (!tuning && !showing && f.tune.augment_text))
    return cli_usage_error(
        self, "--%s goes with --tune, --from-scratch or --adversarial: without them nothing but a classifier is fitted",
        misplaced ? misplaced : "augment");
  if (tuning && (f.head != WK_HEAD_LINEAR || f.refit))
    return cli_usage_error(
        self, "--tune, --from-scratch and --adversarial train a linear head: --head and --refit do not go with them");
  if (tuning && f.precision != WK_PRECISION_FLOAT32 && f.precision != WK_PRECISION_AUTO)
    return cli_usage_error(self,
                           "--precision %s is for fitting a classifier: --tune, --from-scratch and --adversarial "
                           "train through the network, in float32",
                           precision_names[f.precision]);
  if (f.precision != WK_PRECISION_AUTO && wk_precision_check((wk_precision)f.precision, &wrong) != WK_OK)
    return cli_fail(c, &wrong);
  if (n == 0 && !f.list)
    return cli_usage_error(self, "say where the photos are: whisker train DATA");
  const char *data = f.list ? f.list : argv[0];
  wk_error err = {0};
  wk_train_options o;
  wk_train_report *report = NULL;
  teller t = {.cli = c, .flags = &f};
  options_from(&o, &f, &t);
  o.labels_from_name = names == 1;
  char *out = f.out ? strdup(f.out) : default_output(data);
  struct stat exists;
  wk_session *session = NULL;
  wk_status st = WK_OK;
  if (!out)
    st = cli_no_memory(&err);
  else if (!f.out && !showing && stat(out, &exists) == 0)
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
      cli_tune_say_result(c, report, f.light);
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
