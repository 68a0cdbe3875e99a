/* cmd_check.c - `whisker check`: what is wrong with a collection of photos, before anyone trains on it. */
#include <string.h>

#include "cli.h"

static json_t *result_json(const wk_check *k, const wk_dataset *d) {
  json_t *broken = json_array(), *warnings = json_array(), *twins = json_array(), *alike = json_array(),
         *notes = json_array(), *classes = json_object();
  for (size_t i = 0; i < k->broken_count; i++)
    json_array_append_new(broken, json_pack("{s:o,s:o}", "file", cli_json_text(d->photos[k->broken[i].photo].name),
                                            "why", cli_json_text(k->broken[i].why)));
  for (size_t i = 0; i < k->warning_count; i++)
    json_array_append_new(warnings, json_pack("{s:s,s:o}", "kind", wk_check_kind_name(k->warnings[i].kind), "message",
                                              cli_json_text(k->warnings[i].message)));
  for (size_t i = 0; i < k->group_count; i++) {
    json_t *group = json_array();
    for (size_t p = 0; p < k->groups[i].photo_count; p++)
      json_array_append_new(group, cli_json_text(d->photos[k->groups[i].photos[p]].name));
    json_array_append_new(k->groups[i].exact ? twins : alike, group);
  }
  for (size_t i = 0; i < d->note_count; i++)
    json_array_append_new(notes, cli_json_text(d->notes[i]));
  for (int i = 0; i < d->class_count; i++) {
    json_t *name = cli_json_text(d->classes[i]);
    json_object_set_new(classes, json_string_value(name), json_integer((json_int_t)k->class_photos[i]));
    json_decref(name);
  }
  return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "files", (json_int_t)k->files, "usable", (json_int_t)k->usable,
                   "broken", broken, "warnings", warnings, "duplicates", twins, "look_alikes", alike, "classes",
                   classes, "notes", notes);
}

static void say(cli *c, const wk_check *k, const wk_dataset *d) {
  enum { SHOWN = 20 };
  cli_say(c, "%s files, %s photos that can be read, %d classes\n", cli_count(k->files), cli_count(k->usable),
          d->class_count);
  for (size_t i = 0; i < k->broken_count; i++)
    cli_say(c, "  %s cannot be read: %s\n", d->photos[k->broken[i].photo].name, k->broken[i].why);
  size_t shown = c->verbose || k->warning_count <= SHOWN ? k->warning_count : SHOWN;
  for (size_t i = 0; i < shown; i++)
    cli_say(c, "  ! %s\n", k->warnings[i].message);
  if (shown < k->warning_count)
    cli_say(c, "  ! and %zu more; -v shows them all\n", k->warning_count - shown);
  size_t twins = 0, extra = 0;
  for (size_t i = 0; i < k->group_count; i++)
    if (k->groups[i].exact) {
      twins++;
      extra += k->groups[i].photo_count - 1;
    }
  if (twins)
    cli_say(c, "  %zu photos are there more than once (%zu files too many); --json lists them\n", twins, extra);
  if (!k->broken_count && !k->warning_count && !twins)
    cli_say(c, "Nothing to complain about.\n");
}

int cli_check(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0;
  wk_check_options o;
  wk_check_options_init(&o);
  const cli_flag flags[] = {
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"tiny", 0, CLI_INT, &o.tiny, "PIXELS", "warn of photos with a shorter side below this", 0, 65535, NULL},
      {"few", 0, CLI_INT, &o.few, "N", "warn of classes with fewer photos", 0, 1 << 30, NULL},
      {"imbalance", 0, CLI_DOUBLE, &o.imbalance, "X", "warn when one class has this many times the photos of another",
       1, 1e9, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  wk_error err = {0};
  wk_dataset_options d;
  cli_dataset_options(&d, c);
  d.labels_from_name = names == 1;
  d.allow_unlabelled = true;
  wk_dataset *set = NULL;
  wk_check *k = NULL;
  wk_status st = wk_dataset_open(&set, argv[0], &d, &err);
  if (st == WK_OK)
    st = wk_check_run(&k, set, &o, &c->ctx, &err);
  int rc;
  if (st == WK_OK) {
    say(c, k, set);
    rc = cli_print_json(c, c->json ? result_json(k, set) : NULL);
  } else {
    rc = cli_fail(c, &err);
  }
  wk_check_free(k);
  wk_dataset_free(set);
  return rc;
}
