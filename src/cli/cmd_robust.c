/* cmd_robust.c - `whisker robust`: a model's accuracy against attacks of growing strength and against ordinary damage.
 */
#include "cli.h"

static void say_damage(cli *c, const wk_robust *r) {
  cli_say(c, "\nordinary damage, severity 1 to 5\n");
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    cli_say(c, "  %-11s", wk_corruption_name((wk_corruption)d));
    for (int s = 0; s < WK_SEVERITIES; s++)
      cli_say(c, " %6s", cli_percent((double)r->corruption_right[d][s] / (double)r->photo_count));
    cli_say(c, "\n");
  }
}

static void say(cli *c, const wk_robustness_report *r) {
  const wk_robust *result = r->result;
  cli_say(c, "%s, untargeted PGD, %d steps, %d random restart%s", cli_photos(result->photo_count), r->steps,
          r->restarts, r->restarts == 1 ? "" : "s");
  if (r->left_out_learned)
    cli_say(c, "; %s that it learned from are left out", cli_count(r->left_out_learned));
  cli_say(c, "\n");
  for (int i = 0; i < result->count; i++) {
    wk_interval w = wk_wilson(result->right[i], result->photo_count);
    cli_say(c, "  change up to %4g/255  %6s  (%s)\n", r->eps_255[i], cli_percent(w.value), cli_interval(w));
  }
  cli_say(c, "Changes below 1/255 exist only before a photo is saved in 8 bits: they show how near the border is.\n");
  if (r->damage)
    say_damage(c, result);
  if (r->out)
    cli_say(c, "\nThe curve is in %s%s%s\n", r->out, r->damage_out ? ", that of the damage in " : "",
            r->damage_out ? r->damage_out : "");
}

int cli_robust(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  wk_robustness_options o;
  wk_robustness_options_init(&o);
  const cli_flag flags[] = {
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from}, {0}};
  cli_add_options(c, &o, wk_robustness_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  o.labels_from_name = names == 1;
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_robustness_report *r = NULL;
  if (wk_robustness_options_validate(&o, &err) != WK_OK)
    return cli_usage_error(self, "--%s", err.message);
  wk_status st = o.out ? wk_output_check(o.out, false, &err) : WK_OK;
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open(&model, session, argv[0], &err);
  if (st == WK_OK)
    st = wk_robustness(&r, session, model, argv[1], &o, &err);
  if (st == WK_OK)
    say(c, r);
  const int rc = st == WK_OK ? cli_print_report(c, wk_robustness_report_json(r)) : cli_fail(c, &err);
  wk_robustness_report_free(r);
  wk_model_free(model);
  return rc;
}
