/* cmd_look_nearest.c - `whisker look nearest`: the photos of a collection that a network finds most like one photo. */
#include "look.h"

static void say(cli *c, const wk_nearest_report *r) {
  const wk_feature_set *s = &r->set;
  cli_say(c, "%s is most like\n", r->file);
  for (int i = 0; i < r->count; i++) {
    const int label = s->labels[r->row[i]];
    cli_say(c, "  %.3f  %s%s%s\n", (double)r->cosine[i], label >= 0 ? s->classes[label] : "", label >= 0 ? "  " : "",
            s->names[r->row[i]]);
  }
  cli_say(c, "%s\n", r->out);
}

int cli_look_nearest(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *out = "nearest.png", *arch = NULL;
  int names = 0;
  wk_explain_nearest_options o;
  wk_explain_nearest_options_init(&o);
  const cli_flag flags[] = {
      CLI_LOOK_FLAGS(&out, &arch),
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {0}};
  cli_add_options(c, &o, wk_explain_nearest_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 3, 3, argc, argv)
  o.labels_from_name = names == 1;
  wk_error err = {0};
  cli_looking l;
  wk_nearest_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain_nearest(&r, l.session, l.model, argv[1], argv[2], out, &o, &err);
  if (st == WK_OK)
    say(c, r);
  char *json = r ? wk_nearest_report_json(r) : NULL; /* names classes of the model */
  wk_nearest_report_free(r);
  return cli_look_end(&l, st, &err, json);
}
