/* look.c - what the ways of looking share: opening the model, ending, and words. */
#include "look.h"

wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *out, wk_error *err) {
  *l = (cli_looking){.cli = c};
  if (!wk_output_is_png(out))
    return cli_error(err, WK_ERR_ARGUMENT, "%s: pictures are written as PNG; give a name that ends in .png with -o",
                     out);
  wk_status st = wk_output_check(out, false, err);
  if (st == WK_OK)
    st = cli_session(&l->session, c, err);
  return st == WK_OK ? wk_open_as(&l->model, l->session, model, arch, err) : st;
}

int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, char *json) {
  const int rc = st == WK_OK ? cli_print_report(l->cli, json) : cli_fail(l->cli, err);
  wk_model_free(l->model);
  return rc;
}

const char *cli_look_where(const wk_attribution_region *e) {
  static char text[128];
  if (e->share > 0)
    snprintf(text, sizeof text, "%.0f%% of the evidence in one region, %s (%s%.0f%% of the photo)", 100 * e->share,
             e->place, e->area < 0.01 ? "less than " : "", e->area < 0.01 ? 1.0 : 100 * e->area);
  else
    snprintf(text, sizeof text, "no evidence for it here");
  return text;
}
