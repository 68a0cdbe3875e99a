/* cmd_look_map.c - `whisker look map`: all photos of a collection laid out by what a network sees in them, as a picture
 * and as a page. */
#include <math.h>

#include "look.h"

enum { SHOWN = 10 };

static void say_odd(cli *c, const wk_map_report *r) {
  const wk_feature_set *s = &r->set;
  if (r->odd_count)
    cli_say(c, "\nLook like another class than theirs (a wrong label, or a hard photo):\n");
  for (size_t i = 0; i < r->odd_count && i < SHOWN; i++) {
    const wk_label_error *odd = &r->odd[i];
    cli_say(c, "  %s: %s, looks like %s (%d of the %d most alike)\n", s->names[odd->row],
            s->classes[s->labels[odd->row]], s->classes[odd->looks_like], odd->votes, r->map->neighbours);
  }
  if (r->odd_count > SHOWN)
    cli_say(c, "  ... and %zu more\n", r->odd_count - SHOWN);
}

static void say_twins(cli *c, const wk_map_report *r) {
  if (r->twin_count)
    cli_say(c, "\nNearly the same picture twice:\n");
  for (size_t i = 0; i < r->twin_count && i < SHOWN; i++)
    cli_say(c, "  %s  %s  (%.3f)\n", r->set.names[r->twins[i].row], r->set.names[r->twins[i].twin],
            (double)r->twins[i].cosine);
  if (r->twin_count > SHOWN)
    cli_say(c, "  ... and %zu more\n", r->twin_count - SHOWN);
}

static void say(cli *c, const wk_map_report *r) {
  cli_say(c, "%s", cli_photos(r->map->rows));
  if (r->class_count)
    cli_say(c, ", %d classes", r->class_count);
  if (isfinite(r->same_class))
    cli_say(c, "; the photo most alike is of the same class for %s", cli_percent(r->same_class));
  cli_say(c, "\n");
  say_odd(c, r);
  say_twins(c, r);
  cli_say(c, "\n%s%s%s%s\n", r->out, r->html ? " \u00b7 " : "", r->html ? r->html : "",
          r->html ? ": open it in a browser to pan, zoom and search" : "");
}

int cli_look_map(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *out = "map.png", *arch = NULL;
  int names = 0;
  wk_explain_map_options o;
  wk_explain_map_options_init(&o);
  const cli_flag flags[] = {
      CLI_LOOK_FLAGS(&out, &arch),
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {0}};
  cli_add_options(c, &o, wk_explain_map_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  o.labels_from_name = names == 1;
  wk_error err = {0};
  cli_looking l;
  wk_map_report *r = NULL;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, out, &err);
  if (st == WK_OK)
    st = wk_explain_map(&r, l.session, l.model, argv[1], out, &o, &err);
  if (st == WK_OK)
    say(c, r);
  char *json = r ? wk_map_report_json(r) : NULL; /* names classes of the model */
  wk_map_report_free(r);
  return cli_look_end(&l, st, &err, json);
}
