/* cmd_eval.c - `whisker eval`: how often a model is right on photos whose class is known, how sure one can be of that,
 * and where it goes wrong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The classes that go wrong most, and what they are taken for. */
static void say_classes(cli *c, const wk_evaluation *e) {
  const wk_metrics *m = e->metrics;
  enum { SHOWN = 40 };
  int present = 0;
  for (int i = 0; i < m->class_count; i++)
    present += m->support[i] > 0;
  if (present > SHOWN)
    cli_say(c, "\n%d classes are in these photos; those that are not always right:\n", present);
  else
    cli_say(c, "\n");
  int shown = 0;
  for (int i = 0; i < m->class_count && shown < SHOWN; i++) {
    const size_t *row = m->confusion + (size_t)i * (size_t)m->class_count;
    if (!m->support[i] || (present > SHOWN && row[i] == m->support[i]))
      continue;
    int worst = -1;
    for (int j = 0; j < m->class_count; j++)
      if (j != i && row[j] && (worst < 0 || row[j] > row[worst]))
        worst = j;
    cli_say(c, "  %-28.28s %4zu of %-4zu %6s (%s)", e->labels[i], row[i], m->support[i],
            cli_percent(m->recall[i].value), cli_interval(m->recall[i]));
    if (worst >= 0)
      cli_say(c, "  taken for %s %zux", e->labels[worst], row[worst]);
    cli_say(c, "\n");
    shown++;
  }
}

/* ---- photos that it got wrong, or nearly ------------------------------------------------------- */

/* The surer it was of something else, the worse; what is as bad stays in the photos' order. */
static int compare_mistakes(const void *a, const void *b) {
  const wk_mistake *x = *(const wk_mistake *const *)a, *y = *(const wk_mistake *const *)b;
  return x->p != y->p ? (x->p < y->p ? 1 : -1) : (x > y) - (x < y);
}

static void say_mistake(cli *c, const wk_evaluation *e, const wk_mistake *m, bool wrong, bool csv) {
  if (!csv) {
    cli_say(c, wrong ? "  %6s  %s  is %s, taken for %s\n" : "  %6s  %s  is %s, nearly taken for %s\n",
            cli_percent(m->p), m->file, e->labels[m->truth], e->labels[m->predicted]);
    return;
  }
  cli_say_cell(c, m->file);
  cli_say(c, ",");
  cli_say_cell(c, e->labels[m->truth]);
  cli_say(c, ",");
  cli_say_cell(c, e->labels[m->predicted]);
  cli_say(c, ",%.6f,%.6f,%s\n", m->p, m->p_truth, wrong ? "wrong" : "doubtful");
}

/* The worst of a list; `most` 0: all of it. Returns how many were shown. */
static size_t say_list(cli *c, const wk_evaluation *e, bool wrong, size_t most, bool csv) {
  const wk_mistake *list = wrong ? e->mistakes : e->doubtful, **worst;
  const size_t n = wrong ? e->mistake_count : e->doubtful_count, shown = most && most < n ? most : n;
  if (!shown || !(worst = calloc(n, sizeof *worst)))
    return 0;
  for (size_t i = 0; i < n; i++)
    worst[i] = &list[i];
  qsort(worst, n, sizeof *worst, compare_mistakes);
  if (!csv)
    cli_say(c, "\n%s, worst first (%s of %s):\n", wrong ? "wrong" : "right, but doubtful", cli_count(shown),
            cli_count(n));
  for (size_t i = 0; i < shown; i++)
    say_mistake(c, e, worst[i], wrong, csv);
  free(worst);
  return shown;
}

/* The wrong ones, then the doubtful ones: `most` of both together, 0: all. */
static void say_worst(cli *c, const wk_evaluation *e, size_t most, bool csv) {
  if (csv)
    cli_say(c, "file,truth,predicted,p,p_truth,verdict\n");
  const size_t shown = say_list(c, e, true, most, csv);
  if (!most || shown < most)
    say_list(c, e, false, most ? most - shown : 0, csv);
}

static void say(cli *c, const wk_evaluation *e, const char *data) {
  const wk_metrics *m = e->metrics;
  char learned[120] = "";
  if (e->learned_count)
    snprintf(learned, sizeof learned,
             e->with_learned ? "; it had learned from %s of these" : "; %s it learned from are left out",
             cli_count(e->learned_count));
  if (strcmp(e->split, "all") != 0)
    cli_say(c, "tested on the %s part of %s\n", e->split, data);
  else
    cli_say(c, "tested on all of %s\n", data);
  cli_say(c, "right %s of %s   %s   (95%% interval %s)%s\n", cli_count(e->right_count), cli_count(m->photo_count),
          cli_percent(m->top1.value), cli_interval(m->top1), learned);
  if (m->k > 1 && m->k < m->class_count)
    cli_say(c, "among the best %d   %s   (%s)\n", m->k, cli_percent(m->topk.value), cli_interval(m->topk));
  cli_say(c, "log loss %.4f (%.4f\u2013%.4f)   calibration error %s (%s)\n", m->loss.value, m->loss.low, m->loss.high,
          cli_percent(m->ece.value), cli_interval(m->ece));
  if (e->broken_count)
    cli_say(c, "%s could not be read and do%s not count\n", cli_photos(e->broken_count),
            e->broken_count == 1 ? "es" : "");
  say_classes(c, e);
}

static wk_status check_sheet(const char *path, wk_error *err) {
  return wk_output_is_png(path)
             ? wk_output_check(path, false, err)
             : cli_error(err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png", path);
}

/* Photos that were wrong, and the surest right ones, on one picture. */
static wk_status draw_surest(wk_session *session, const wk_evaluation *e, int most, const char *path, wk_error *err) {
  enum { MOST = 40 };
  wk_image picture = {0};
  wk_status st = wk_mistakes_sheet(&picture, session, e, most ? most : MOST, err);
  if (st == WK_OK)
    st = wk_image_save_png(&picture, path, err);
  wk_image_free(&picture);
  return st;
}

/* The table or the CSV, and the JSON. */
static int say_all(cli *c, const wk_evaluation *e, const char *data, int wrong, bool csv, const char *sheet) {
  if (!csv)
    say(c, e, data);
  if (csv || wrong)
    say_worst(c, e, (size_t)wrong, csv);
  if (sheet && !csv)
    cli_say(c, "Drew what it got wrong, and what it was surest of and right about: %s\n", sheet);
  return cli_print_report(c, wk_evaluation_json(e));
}

int cli_eval(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const parts[] = {"auto", "all", "train", "val", "test", NULL}, *const from[] = {"folder", "name",
                                                                                                     NULL};
  int part = 0, names = 0, k = 0, wrong = 0;
  bool with_learned = false, csv = false, srgb = false;
  const char *arch = NULL, *sheet = NULL;
  const cli_flag flags[] = {
      {"part", 0, CLI_CHOICE, &part, "PART", "photos to evaluate on; auto: test/, else val/, else all", 0, 0, parts},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"top", 'k', CLI_INT, &k, "K", "also report top-K accuracy; 0: 5, or fewer if there are fewer classes", 0, 1000,
       NULL},
      {"with-learned", 0, CLI_BOOL, &with_learned, NULL,
       "also evaluate on photos the model learned from, and say how many; default: they are left out", 0, 0, NULL},
      {"wrong", 0, CLI_INT, &wrong, "N",
       "also list the N photos it got most wrong, then those it got right by a hair; 0: none", 0, INFINITY, NULL},
      {"csv", 0, CLI_BOOL, &csv, NULL,
       "print the wrong and the doubtful photos instead, worst first: file, truth, predicted, p, p_truth, verdict; "
       "with --wrong the first N",
       0, 0, NULL},
      {"sheet", 0, CLI_STRING, &sheet, "FILE.png",
       "draw the photos it got wrong, the surest first (with --wrong the first N), and below them those it was surest "
       "of and right about",
       0, 0, NULL},
      {"srgb", 0, CLI_BOOL, &srgb, NULL, CLI_SRGB_HELP, 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  if (csv && c->json)
    return cli_usage_error(self, "the answer is printed with --csv or with --json, not both");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_evaluation *e = NULL;
  wk_evaluate_options o;
  wk_evaluate_options_init(&o);
  o.labels_from_name = names == 1;
  o.any_split = part == 0;
  o.split = part ? (wk_split)(part - 1) : WK_SPLIT_ALL;
  o.k = k;
  o.with_learned = with_learned;
  wk_status st = sheet ? check_sheet(sheet, &err) : WK_OK;
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open_as(&model, session, argv[0], arch, &err);
  if (st == WK_OK && srgb)
    model->backbone->preprocess.srgb = true;
  if (st == WK_OK)
    st = wk_evaluate(&e, session, model, argv[1], &o, &err);
  if (st == WK_OK && sheet)
    st = draw_surest(session, e, wrong, sheet, &err);
  const int rc = st == WK_OK ? say_all(c, e, argv[1], wrong, csv, sheet) : cli_fail(c, &err);
  wk_evaluation_free(e);
  wk_model_free(model);
  return rc;
}
