/* cmd_ideal.c - `whisker ideal`: a picture of what the network takes for the purest example of a class. */
#include <string.h>

#include "cli.h"

static void say(void *user, const wk_ideal_picture *p) {
  char best[48] = "";
  if (p->step < p->steps)
    snprintf(best, sizeof best, " (the best, of step %d)", p->step);
  cli_say(user, "%s: p %.3f%s after %d steps, %.1f s. %s \u00b7 steps in %s%s%s\n", p->label, p->p, best, p->steps,
          p->seconds, p->out, p->contact_sheet, p->film ? " \u00b7 film in " : "", p->film ? p->film : "");
}

int cli_ideal(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = "ideal.png";
  wk_ideal_options o;
  wk_ideal_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write; the steps go beside it", 0, 0, NULL}, {0}};
  cli_add_options(c, &o, wk_ideal_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  if (!o.classes)
    return cli_usage_error(self, "say which class with --class");
  if (o.from && o.visualize.method == WK_VISUALIZE_PLAIN)
    return cli_usage_error(self, "--method plain starts from noise: --from goes with --method robust");
  const char *dot = o.film ? strrchr(o.film, '.') : NULL;
  if (o.film && (!dot || strcmp(dot, ".webp") != 0))
    return cli_usage_error(self, "the film is an animated WebP: call it something.webp");
  if (o.from) {
    wk_ideal_options_from(&o, o.from);
    cli_apply_given(c, &o, wk_ideal_options_table());
  }
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_ideal_report *r = NULL;
  wk_status st = wk_output_check(out, false, &err);
  if (st == WK_OK && o.film)
    st = wk_output_check(o.film, false, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open(&model, session, argv[0], &err);
  if (st == WK_OK)
    st = wk_ideal(&r, session, model, out, &o, say, c, &err);
  const int rc = st == WK_OK ? cli_print_report(c, wk_ideal_report_json(r)) : cli_fail(c, &err);
  wk_ideal_report_free(r);
  wk_model_free(model);
  return rc;
}
