/* cmd_attack.c - `whisker attack`: a copy of a photo that a model takes for something else. What counts is the file: it
 * is saved in 8 bits, read back through the ordinary way, and predicted again. */
#include <string.h>
#include <strings.h>

#include "cli.h"

static void say(cli *c, const wk_attack_report *r) {
  const wk_attack_result *a = &r->result;
  cli_say(c, "%s %s \u2192 %s %s, after saving as 8-bit PNG and reading back.%s\n", r->label_before,
          cli_percent((double)a->p_before), r->saved.label, cli_percent(r->saved.p),
          r->success    ? ""
          : r->targeted ? " That is not the class asked for: try more --steps or a larger --eps."
                        : " It withstood: try more --steps or a larger --eps.");
  cli_say(c,
          "No value of the %d x %d pixels moved by more than %.0f/255; root mean square %.2f (length %.0f). %d steps, "
          "%.1f s\n",
          r->width, r->height, a->linf_255, r->rms_255, a->l2_255, a->steps, r->seconds);
  for (int i = 0; i < WK_JPEG_QUALITIES; i++)
    cli_say(c, "%s%d %s (%s %s)", i ? ", " : "As JPEG: quality ", r->quality[i], r->survives[i] ? "survives" : "undone",
            r->jpeg[i].label, cli_percent(r->jpeg[i].p));
  cli_say(c, "\n");
  if (r->other)
    cli_say(c, "%s: %s %s \u2192 %s %s: it %s\n", r->other, r->other_before.label, cli_percent(r->other_before.p),
            r->other_sees.label, cli_percent(r->other_sees.p), r->transfers ? "transfers" : "does not transfer");
  cli_say(c, "%s \u00b7 photo, change ten times as strong and result side by side: %s\n", r->out, r->picture);
}

static bool ends_in_jpeg(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

int cli_attack(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL;
  wk_attack_photo_options o;
  wk_attack_photo_options_init(&o);
  const cli_flag flags[] = {{"output", 'o', CLI_STRING, &out, "FILE.png", "adversarial picture to write", 0, 0, NULL},
                            {0}};
  cli_add_options(c, &o, wk_attack_photo_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the picture goes with -o FILE.png");
  if (ends_in_jpeg(out))
    return cli_usage_error(self, "the picture is a PNG: JPEG would undo the change; call it something.png");
  wk_error err = {0};
  wk_session *session = NULL;
  wk_model *model = NULL;
  wk_attack_report *report = NULL;
  wk_status st = wk_output_check(out, false, &err);
  if (st == WK_OK)
    st = wk_output_check_beside(out, "-change", &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_open(&model, session, argv[0], &err);
  if (st == WK_OK)
    st = wk_attack_photo(&report, session, model, argv[1], out, &o, &err);
  int rc;
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    say(c, report);
    rc = cli_print_report(c, wk_attack_report_json(report));
  }
  wk_attack_report_free(report);
  wk_model_free(model);
  return rc;
}
