/* cmd_look_features.c - `whisker look features`: what a photo does to the layers of a network. */
#include "look.h"

static void say(cli *c, const wk_features_report *r, bool one, bool raw) {
  cli_say(c, "%-28s %-16s %-12s %9s %9s %7s  %s\n", "layer", "positions, ch.", "each sees", "mean", "largest", "zeros",
          "silent channels");
  for (int i = 0; i < r->layer_count; i++) {
    const wk_feature_maps *m = &r->maps[i];
    char shape[48], sees[48] = "everything";
    snprintf(shape, sizeof shape, "%d x %d x %d", m->shape.height, m->shape.width, m->shape.channels);
    if (!m->field.whole)
      snprintf(sees, sizeof sees, "%d x %d px", m->field.height, m->field.width);
    cli_say(c, "%-28s %-16s %-12s %9.3g %9.3g %7s  %d\n", m->name, shape, sees, m->mean, m->high, cli_percent(m->zeros),
            m->dead);
  }
  cli_say(c, "%s%s%s%s%s\n", r->pictures.list->out, one ? "" : " \u00b7 flat heat map beside it",
          raw ? " \u00b7 values of " : "", raw ? r->maps[r->layer_count - 1].name : "", raw ? " in the .npy" : "");
}

int cli_look_features(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = "features.png", *arch = NULL;
  wk_explain_features_options o;
  wk_explain_features_options_init(&o);
  const cli_flag flags[] = {CLI_LOOK_FLAGS(&out, &arch), {0}};
  cli_add_options(c, &o, wk_explain_features_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  wk_error err = {0};
  cli_looking l;
  wk_features_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain_features(&r, l.session, l.model, argv[1], out, &o, &err);
  if (st == WK_OK)
    say(c, r, o.layer, o.raw);
  char *json = r ? wk_features_report_json(r) : NULL; /* names layers of the model */
  wk_features_report_free(r);
  return cli_look_end(&l, st, &err, json);
}
