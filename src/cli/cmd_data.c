/* cmd_data.c - `whisker data list` shows the well-known sets of photos, `whisker data get` fetches them. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static uint64_t bytes_of(const wk_dataset_info *d, bool *known) {
  uint64_t n = 0;
  *known = true;
  for (int i = 0; i < d->file_count; i++) {
    n += d->files[i].bytes;
    *known = *known && d->files[i].bytes;
  }
  return n;
}

static json_t *set_json(const wk_dataset_info *d) {
  json_t *files = json_array();
  for (int i = 0; i < d->file_count; i++)
    json_array_append_new(files, json_pack("{s:s,s:s?,s:I}", "url", d->files[i].url, "sha256", d->files[i].sha256,
                                           "bytes", (json_int_t)d->files[i].bytes));
  return json_pack("{s:s,s:s,s:i,s:I,s:s,s:s,s:o}", "name", d->name, "title", d->title, "classes", d->classes, "photos",
                   (json_int_t)d->photos, "licence", d->licence, "citation", d->citation, "files", files);
}

static int list_sets(cli *c) {
  json_t *list = json_array();
  cli_say(c, "%-12s %7s %8s %9s  %s\n", "name", "classes", "photos", "download", "what, and its terms");
  for (int i = 0; i < wk_dataset_info_count(); i++) {
    const wk_dataset_info *d = wk_dataset_info_at(i);
    bool known;
    uint64_t bytes = bytes_of(d, &known);
    cli_say(c, "%-12s %7d %8s %9s  %s (%s)\n", d->name, d->classes, cli_count(d->photos),
            known ? cli_bytes(bytes) : "-", d->title, d->licence);
    json_array_append_new(list, set_json(d));
  }
  return cli_print_json(c, json_pack("{s:o}", "sets", list));
}

static wk_status get_set(cli *c, json_t *list, const char *name, const wk_pull_options *o, wk_error *err) {
  const wk_dataset_info *d = wk_dataset_info_find(name);
  char *path = NULL;
  if (!d)
    return cli_error(err, WK_ERR_NOT_FOUND, "%s: not a set of photos that is known; `whisker data list` shows all %d",
                     name, wk_dataset_info_count());
  wk_status st = wk_dataset_get(&path, d, o, &c->ctx, err);
  if (st != WK_OK)
    return st;
  json_t *entry = set_json(d);
  json_object_set_new(entry, "path", cli_json_text(path));
  json_array_append_new(list, entry);
  cli_say(c, "%s: %s\n  %s\n  licence: %s\n", d->title, path, d->citation, d->licence);
  for (int i = 0; i < d->file_count; i++)
    cli_say(c, "  %s  SHA-256 %s\n", d->files[i].file, d->files[i].sha256 ? d->files[i].sha256 : "not published");
  cli_say(c, "Next: whisker train %s%s%s\n", path, d->flags ? " " : "", d->flags ? d->flags : "");
  wk_free(path);
  return WK_OK;
}

int cli_data(cli *c, const cli_command *self, int argc, char **argv) {
  CLI_PARSE(n, c, self, NULL, 1, 1000, argc, argv)
  if (!strcmp(argv[0], "list") && n == 1)
    return list_sets(c);
  if (strcmp(argv[0], "get") != 0 || n < 2)
    return cli_usage_error(self, "say `data list`, or `data get NAME`");
  wk_error err = {0};
  wk_pull_options o = c->pull;
  char *folder = cli_join(c->home, "data");
  json_t *list = json_array();
  wk_status st = folder ? WK_OK : cli_no_memory(&err);
  o.folder = folder;
  for (int i = 1; st == WK_OK && i < n; i++)
    st = get_set(c, list, argv[i], &o, &err);
  free(folder);
  if (st != WK_OK) {
    json_decref(list);
    return cli_fail(c, &err);
  }
  return cli_print_json(c, json_pack("{s:o}", "sets", list));
}
