/* cmd_look_cam.c - `whisker look cam`: which parts of a photo speak for a class, and whether that depends on what was
 * learned. */
#include <math.h>

#include "look.h"

static void say_class(cli *c, const wk_explained_class *k) {
  cli_say(c, "%s %s: %s.\n", k->label, cli_percent(k->p), cli_look_where(&k->evidence));
  if (k->sums_up)
    cli_say(
        c,
        "  completeness: the map adds up to %.4g of the score's difference of %.4g (%.2g%% off) after %d gradients%s\n",
        k->total, k->expected, 100 * k->missing, k->steps, k->reached ? "" : "; more --steps come closer");
}

static void say_sanity(cli *c, const wk_explain_report *r) {
  cli_say(c, "  with shuffled weights, the rank correlation with this map falls to:");
  for (int i = 0; i < r->sanity_count; i++) {
    const double correlation = r->sanity[i].correlation;
    if (isfinite(correlation))
      cli_say(c, "%s %.2f (%s)", i ? "," : "", correlation, r->sanity[i].shuffled);
    else
      cli_say(c, "%s nothing left (%s)", i ? "," : "", r->sanity[i].shuffled);
  }
  const double last = r->sanity[r->sanity_count - 1].correlation;
  cli_say(c, "\n  %s\n",
          !(fabs(last) >= 0.5) ? "So the map depends on what was learned."
                               : "So much of the map comes from the photo alone: do not trust its details.");
}

static void say(cli *c, const wk_explain_report *r) {
  for (int k = 0; k < r->class_count; k++)
    say_class(c, &r->classes[k]);
  if (r->sanity_count)
    say_sanity(c, r);
  cli_say(c, "%s \u00b7 %s%s%s\n", r->pictures.list->out, r->title, r->layer ? " at " : "", r->layer ? r->layer : "");
}

int cli_look_cam(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = "cam.png", *arch = NULL;
  wk_explain_options o;
  wk_explain_options_init(&o);
  const cli_flag flags[] = {CLI_LOOK_FLAGS(&out, &arch), {0}};
  cli_add_options(c, &o, wk_explain_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  o.model = argv[0];
  if (o.layer && wk_attribution_of_pixels(o.attribution.method))
    return cli_usage_error(self, "--layer is for maps of a layer; %s works on pixels",
                           wk_attribution_method_name(o.attribution.method));
  wk_error err = {0};
  cli_looking l;
  wk_explain_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain(&r, l.session, l.model, argv[1], out, &o, &err);
  if (st == WK_OK)
    say(c, r);
  const int rc = cli_look_end(&l, st, &err, r ? wk_explain_report_json(r) : NULL);
  wk_explain_report_free(r);
  return rc;
}
