/* cmd_models.c - `whisker models` lists the backbones, `whisker pull` fetches their weights. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static bool has_source(const wk_arch *a) { return a->source.file != NULL; }

typedef struct cli_widths {
  int name, licence;
} cli_widths;

/* Columns as wide as what stands in them. */
static cli_widths widths(void) {
  cli_widths w = {(int)strlen("name"), (int)strlen("licence")};
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *a = wk_arch_at(i);
    const int name = (int)strlen(a->name), licence = a->licence ? (int)strlen(a->licence) : 1;
    w.name = name > w.name ? name : w.name;
    w.licence = licence > w.licence ? licence : w.licence;
  }
  return w;
}

/* Does `text` stand somewhere in the licence, in capitals or not? */
static bool has_licence(const wk_arch *a, const char *text) {
  const size_t n = strlen(text);
  for (const char *p = a->licence ? a->licence : ""; *p; p++)
    if (!strncasecmp(p, text, n))
      return true;
  return !n;
}

int cli_models(cli *c, const cli_command *self, int argc, char **argv) {
  double most = 0;
  const char *licence_wanted = "";
  bool here = false;
  const cli_flag flags[] = {
      {"max-macs", 0, CLI_DOUBLE, &most, "N", "only networks of at most so many thousand million multiply-adds; 0: all",
       0, 1e6, NULL},
      {"licence", 0, CLI_STRING, &licence_wanted, "TEXT", "only those with that in their licence, such as Apache", 0, 0,
       NULL},
      {"here", 0, CLI_BOOL, &here, NULL, "only those whose weights have been fetched", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 0, 0, argc, argv)
  int listed = 0;
  json_t *list = json_array();
  const cli_widths w = widths();
  cli_say(c, "%-*s %9s %9s %6s %9s  %-*s %-5s %s\n", w.name, "name", "params", "mult-adds", "input", "features",
          w.licence, "licence", "here", "weights");
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *a = wk_arch_at(i);
    char *path = wk_weights_path(a, c->weights);
    if ((most > 0 && (double)a->macs > most * 1e9) || !has_licence(a, licence_wanted) || (here && !path)) {
      wk_free(path);
      continue;
    }
    listed++;
    char input[16];
    snprintf(input, sizeof input, "%d", a->preprocess.width);
    const char *licence = a->licence ? a->licence : "-",
               *origin = a->origin ? a->origin : "none: for training from scratch";
    cli_say(c, "%-*s %9s %9s %6s %9d  %-*s %-5s %s\n", w.name, a->name, cli_short((double)a->params),
            cli_short((double)a->macs), input, a->feature_count, w.licence, licence, path ? "yes" : "-", origin);
    json_t *aliases = json_array();
    for (const char *const *s = a->aliases; s && *s; s++)
      json_array_append_new(aliases, json_string(*s));
    json_array_append_new(list, json_pack("{s:s,s:s?,s:I,s:I,s:[i,i],s:i,s:i,s:s?,s:s?,s:s?,s:s?,s:b,s:s?,s:o}", "name",
                                          a->name, "title", a->title, "params", (json_int_t)a->params, "macs",
                                          (json_int_t)a->macs, "input", a->preprocess.height, a->preprocess.width,
                                          "features", a->feature_count, "classes", a->class_count, "licence",
                                          a->licence, "origin", a->origin, "source", a->source.url, "sha256",
                                          a->source.sha256, "cached", path != NULL, "path", path, "aliases", aliases));
    wk_free(path);
  }
  if (!listed)
    cli_say(c, "none of the %d networks is so\n", wk_arch_count());
  cli_say(c, "\nA weight file of your own works by its path: -b some/resnet18.safetensors\n");
  return cli_print_json(c, json_pack("{s:o}", "models", list));
}

int cli_pull(cli *c, const cli_command *self, int argc, char **argv) {
  const char *from = NULL;
  const cli_flag flags[] = {{"from", 0, CLI_STRING, &from, "FOLDER|URL",
                             "where the files lie, instead of their published addresses", 0, 0, NULL},
                            {0}};
  CLI_PARSE(n, c, self, flags, 1, 1000, argc, argv)
  if (from)
    c->pull.mirror = from;
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    wk_error err = {0};
    const wk_arch *a = wk_arch_find(argv[i]);
    wk_status st = WK_OK;
    if (!a) {
      const char *near[3] = {0};
      int found = wk_arch_suggest(near, 3, argv[i]);
      st = cli_error(&err, WK_ERR_NOT_FOUND, "%s: no such backbone.%s%s%s%s%s `whisker models` lists all %d.", argv[i],
                     found > 0 ? " Did you mean " : "", found > 0 ? near[0] : "", found > 1 ? " or " : "",
                     found > 1 ? near[1] : "", found > 0 ? "?" : "", wk_arch_count());
    } else if (!has_source(a)) {
      st = cli_error(&err, WK_ERR_NOT_FOUND, "%s: has no pretrained weights; it is for training from scratch", a->name);
    }
    char *path = NULL, sha[65] = "";
    if (st == WK_OK)
      st = wk_weights_pull(&path, sha, a, &c->pull, &c->ctx, &err);
    if (st != WK_OK) {
      json_decref(list);
      return cli_fail(c, &err);
    }
    FILE *f = fopen(path, "rb");
    long bytes = f && !fseek(f, 0, SEEK_END) ? ftell(f) : 0;
    if (f)
      fclose(f);
    cli_say(c, "%s: %s, %s, verified: %s\n", a->name, cli_bytes((uint64_t)bytes), a->licence, path);
    json_array_append_new(list, json_pack("{s:s,s:o,s:I,s:s}", "name", a->name, "path", cli_json_text(path), "bytes",
                                          (json_int_t)bytes, "sha256", sha));
    wk_free(path);
  }
  return cli_print_json(c, json_pack("{s:o}", "pulled", list));
}
