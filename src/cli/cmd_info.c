/* cmd_info.c - `whisker info`: layers, shapes, parameters, multiply-adds; a model's labels and how it was trained. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static json_t *preprocess_json(const wk_preprocess *p) {
  static const char *const filter[] = {"bilinear", "bicubic", "nearest"}, *const crop[] = {"center crop", "squash",
                                                                                           "keep, center crop"};
  return json_pack("{s:[i,i],s:i,s:s,s:s,s:b,s:b,s:[f,f,f],s:[f,f,f]}", "size", p->height, p->width, "resize",
                   p->rule == WK_CROP_SQUASH ? 0 : p->resize, "rule", crop[p->rule], "filter", filter[p->filter], "bgr",
                   p->bgr, "srgb", p->srgb, "mean", p->mean[0], p->mean[1], p->mean[2], "std", p->std[0], p->std[1],
                   p->std[2]);
}

static wk_status describe(cli *c, json_t **out, const wk_graph *g, int height, int width, wk_error *err) {
  json_t *layers = json_array();
  int64_t params = 0, macs = 0;
  cli_say(c, "%-36s %-12s %-16s %12s %12s\n", "layer", "kind", "output h x w x c", "parameters", "mult-adds");
  for (int i = 0; i < wk_graph_size(g); i++) {
    wk_node_info node;
    wk_status st = wk_graph_node(&node, g, i, height, width, err);
    if (st != WK_OK) {
      json_decref(layers);
      return st;
    }
    char shape[48];
    snprintf(shape, sizeof shape, "%d x %d x %d", node.shape.height, node.shape.width, node.shape.channels);
    cli_say(c, "%-36s %-12s %-16s %12s %12s\n", node.name, wk_op_name(node.op), shape,
            node.params ? cli_count((uint64_t)node.params) : "", node.macs ? cli_count((uint64_t)node.macs) : "");
    params += node.params;
    macs += node.macs;
    json_array_append_new(layers, json_pack("{s:s,s:s,s:s?,s:[i,i,i],s:I,s:I}", "name", node.name, "op",
                                            wk_op_name(node.op), "stage", node.stage, "shape", node.shape.height,
                                            node.shape.width, node.shape.channels, "params", (json_int_t)node.params,
                                            "macs", (json_int_t)node.macs));
  }
  cli_say(c, "\n%s parameters, %s multiply-adds a photo\n", cli_count((uint64_t)params), cli_short((double)macs));
  *out = json_pack("{s:I,s:I,s:o}", "params", (json_int_t)params, "macs", (json_int_t)macs, "layers", layers);
  return WK_OK;
}

static wk_status draw(cli *c, json_t *out, const char *path, const wk_graph *g, int height, int width,
                      const char *title, wk_error *err) {
  wk_status st = wk_network_draw(path, g, height, width, title, err);
  if (st == WK_OK) {
    cli_say(c, "drawn: %s\n", path);
    json_object_set_new(out, "drawing", cli_json_text(path));
  }
  return st;
}

/* A backbone by name needs no weights to be described. */
static int info_name(cli *c, const wk_arch *a, const char *drawing) {
  wk_error err = {0};
  wk_graph *g = NULL;
  json_t *out = NULL;
  wk_status st = a->build(&g, a->class_count, &err);
  if (st == WK_OK) {
    cli_say(c, "%s: %s\n\n", a->name, a->title);
    st = describe(c, &out, g, a->preprocess.height, a->preprocess.width, &err);
  }
  if (st == WK_OK && drawing)
    st = draw(c, out, drawing, g, a->preprocess.height, a->preprocess.width, a->title, &err);
  if (st == WK_OK) {
    json_object_set_new(out, "name", json_string(a->name));
    json_object_set_new(out, "features", json_integer(a->feature_count));
    json_object_set_new(out, "preprocess", preprocess_json(&a->preprocess));
    if (a->licence)
      json_object_set_new(out, "licence", json_string(a->licence));
  }
  wk_graph_free(g);
  if (st == WK_OK)
    return cli_print_json(c, out);
  json_decref(out);
  return cli_fail(c, &err);
}

/* "made_by" is "made by": one line for each thing the recipe tells. */
static void say_recipe(cli *c, const char *recipe) {
  json_t *all = json_loads(recipe, 0, NULL), *value;
  const char *key;
  if (json_object_size(all))
    cli_say(c, "trained:\n");
  json_object_foreach(all, key, value) {
    char name[32];
    snprintf(name, sizeof name, "%s", key);
    for (char *p = name; *p; p++)
      *p = *p == '_' ? ' ' : *p;
    char *other = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    cli_say(c, "  %-22s %s\n", name,
            json_is_string(value)  ? json_string_value(value)
            : json_is_true(value)  ? "yes"
            : json_is_false(value) ? "no"
            : json_is_null(value)  ? "-"
            : other                ? other
                                   : "?");
    free(other);
  }
  json_decref(all);
}

/* What the file is, and how a photo becomes the network's input. */
static void say_input(cli *c, const wk_backbone *b) {
  static const char *const filter[] = {"bilinear", "bicubic", "nearest"};
  const wk_preprocess *p = &b->preprocess;
  if (b->format)
    cli_say(c, "file: %s\n", b->format);
  cli_say(c, "input: %d x %d %s, ", p->width, p->height, p->grey ? "grey" : p->bgr ? "BGR" : "RGB");
  if (p->rule == WK_CROP_SQUASH)
    cli_say(c, "the whole photo, its ratio not kept, %s\n", filter[p->filter]);
  else
    cli_say(c, "of the photo resized to %d on its shorter side, %s\n", p->resize, filter[p->filter]);
  if (b->prepared)
    cli_say(c, "pixels: %s\n", b->prepared);
  else
    cli_say(c, "pixels: (x - %.4g %.4g %.4g) / %.4g %.4g %.4g\n", (double)p->mean[0], (double)p->mean[1],
            (double)p->mean[2], (double)p->std[0], (double)p->std[1], (double)p->std[2]);
}

int cli_info(cli *c, const cli_command *self, int argc, char **argv) {
  const char *arch = NULL, *drawing = NULL;
  bool diff = false;
  const cli_flag flags[] = {
      {"graph", 0, CLI_STRING, &drawing, "FILE.svg", "draw the layers and where their inputs come from", 0, 0, NULL},
      {"diff", 0, CLI_BOOL, &diff, NULL, "of two networks: which layers, weights, preparation and classes differ", 0, 0,
       NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 2, argc, argv)
  if (diff != (n == 2))
    return cli_usage_error(self, diff ? "--diff compares two networks: whisker info --diff A B"
                                      : "one network at a time; --diff compares two");
  if (diff && drawing)
    return cli_usage_error(self, "--graph draws one network");
  if (diff)
    return cli_info_diff(c, argv, arch);
  const wk_arch *a = wk_arch_find(argv[0]);
  if (a)
    return info_name(c, a, drawing);
  wk_error err = {0};
  wk_model *m = NULL;
  json_t *out = NULL;
  wk_status st = wk_model_open(&m, argv[0], arch, &c->pull, &c->ctx, &err);
  if (st == WK_OK) {
    const wk_preprocess *p = &m->backbone->preprocess;
    cli_say(c, "%s: %s%s, %s classes\n\n", argv[0], m->backbone->arch->name, m->head ? " with a head of its own" : "",
            cli_count((uint64_t)m->label_count));
    st = describe(c, &out, m->backbone->graph, p->height, p->width, &err);
    if (st == WK_OK && drawing)
      st = draw(c, out, drawing, m->backbone->graph, p->height, p->width, argv[0], &err);
  }
  if (st == WK_OK) {
    say_input(c, m->backbone);
    json_object_set_new(out, "format", m->backbone->format ? json_string(m->backbone->format) : json_null());
    json_object_set_new(out, "prepared", m->backbone->prepared ? json_string(m->backbone->prepared) : json_null());
    json_object_set_new(out, "assumed", json_boolean(m->backbone->assumed));
    json_object_set_new(out, "arch", json_string(m->backbone->arch->name));
    json_object_set_new(out, "head", m->head ? json_string(cli_head_names[m->head->kind]) : json_null());
    json_object_set_new(out, "labels", cli_json_labels(m->labels, m->label_count));
    json_object_set_new(out, "preprocess", preprocess_json(&m->backbone->preprocess));
    json_object_set_new(out, "precision", json_string(wk_precision_name(m->backbone->precision)));
    if (m->backbone->precision != WK_PRECISION_FLOAT32)
      cli_say(c, "features: computed in %s\n", wk_precision_name(m->backbone->precision));
    json_object_set_new(out, "trained", m->recipe ? json_loads(m->recipe, 0, NULL) : json_null());
    if (m->head) {
      cli_say(c, "head: %s, %d class%s:", cli_head_names[m->head->kind], m->label_count,
              m->label_count == 1 ? "" : "es");
      for (int i = 0; i < m->label_count && i < 40; i++)
        cli_say(c, "%s %s", i ? "," : "", m->labels[i]);
      cli_say(c, "%s\n", m->label_count > 40 ? ", ..." : "");
    }
    if (m->recipe)
      say_recipe(c, m->recipe);
  }
  wk_model_free(m);
  if (st == WK_OK)
    return cli_print_json(c, out);
  json_decref(out);
  return cli_fail(c, &err);
}
