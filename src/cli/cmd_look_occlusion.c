/* cmd_look_occlusion.c - `whisker look occlusion`: what hiding each place of a photo costs. */
#include "look.h"

static void say(cli *c, const wk_occlusion_report *r) {
  const wk_occlusion *h = r->hidden;
  cli_say(c, "%s %s: hiding %d x %d of %d x %d pixels takes at most %.1f points of it; %s.\n%s\n", r->label,
          cli_percent(h->p), h->patch, h->patch, h->width, h->height, r->largest_drop > 0 ? 100 * r->largest_drop : 0.0,
          cli_look_where(&r->evidence), r->pictures.list->out);
}

int cli_look_occlusion(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = "occlusion.png", *arch = NULL;
  wk_explain_occlusion_options o;
  wk_explain_occlusion_options_init(&o);
  const cli_flag flags[] = {CLI_LOOK_FLAGS(&out, &arch), {0}};
  cli_add_options(c, &o, wk_explain_occlusion_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  o.model = argv[0];
  wk_error err = {0};
  cli_looking l;
  wk_occlusion_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain_occlusion(&r, l.session, l.model, argv[1], out, &o, &err);
  if (st == WK_OK)
    say(c, r);
  const int rc = cli_look_end(&l, st, &err, r ? wk_occlusion_report_json(r) : NULL);
  wk_occlusion_report_free(r);
  return rc;
}
