/* cmd_look_filters.c - `whisker look filters`: what channels look for. */
#include "look.h"

static void say(cli *c, const wk_filters_report *r) {
  const char *out = r->pictures.list->out;
  if (r->filters)
    cli_say(c, "%s: %d filters of %d x %d pixels in %s\n", r->layer, r->filters, r->height, r->width, out);
  else
    cli_say(c, "%s: %d of %d channels, %s%s%s in %s\n", r->layer, r->channel_count, r->layer_channels,
            r->ideal ? "what excites each most" : "", r->searched && r->ideal ? " and " : "",
            r->searched ? "where photos do" : "", out);
}

int cli_look_filters(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = "filters.png", *arch = NULL;
  wk_explain_filters_options o;
  wk_explain_filters_options_init(&o);
  const cli_flag flags[] = {CLI_LOOK_FLAGS(&out, &arch), {0}};
  cli_add_options(c, &o, wk_explain_filters_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 1, 2, argc, argv)
  if ((n > 1 || o.channels) && !o.layer)
    return cli_usage_error(self, "say of which layer with --layer");
  if (!o.ideal && n < 2)
    return cli_usage_error(self, "--no-ideal leaves nothing to show without DATA");
  wk_error err = {0};
  cli_looking l;
  wk_filters_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain_filters(&r, l.session, l.model, n > 1 ? argv[1] : NULL, out, &o, &err);
  if (st == WK_OK)
    say(c, r);
  const int rc = cli_look_end(&l, st, &err, r ? wk_filters_report_json(r) : NULL);
  wk_filters_report_free(r);
  return rc;
}
