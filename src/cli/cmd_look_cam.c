/* cmd_look_cam.c - `whisker look cam`: which parts of a photo speak for a class, and whether that depends on what was
 * learned. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

enum { MOST = 4 };

/* As --method has it. */
static const char *method_name(wk_attribution_method method) {
  wk_option row;
  return wk_options_find(&row, wk_attribution_options_table(), "method") ? row.choices[method] : "unknown";
}

typedef struct cam_job {
  cli_looking l;
  wk_attribution_options o;
  int class[MOST], count;
  wk_attribution *cam[MOST];
  wk_image overlay[MOST];
  json_t *rows, *sanity;
} cam_job;

static const char *label_of(const cam_job *j, int k) { return j->l.model->labels[j->class[k]]; }

static wk_status overlay(wk_image *out, const cam_job *j, const wk_attribution *cam, wk_attribution_region *evidence,
                         wk_error *err) {
  const wk_explain_input *v = &j->l.view;
  float *map = NULL;
  wk_status st = wk_attribution_upsample(&map, cam, v->seen.height, v->seen.width, err);
  if (st == WK_OK)
    st = wk_attribution_draw(out, map, v, 0, err);
  if (st == WK_OK && evidence)
    st = wk_attribution_region_find(evidence, map, v, err);
  wk_free(map);
  return st;
}

static void tell(cam_job *j, const wk_attribution *cam, int k, const wk_attribution_region *e) {
  cli *c = j->l.cli;
  json_t *row = json_pack("{s:o,s:i,s:o,s:o,s:o,s:i}", "class", cli_json_text(label_of(j, k)), "index", j->class[k],
                          "p", cli_json_number(cam->p), "score", cli_json_number(cam->score), "evidence",
                          cli_look_evidence_json(e), "steps", cam->steps);
  cli_say(c, "%s %s: %s.\n", label_of(j, k), cli_percent(cam->p), cli_look_where(e));
  if (j->o.method == WK_ATTRIBUTION_IG) {
    double missing = fabs(cam->total - cam->expected) / fmax(fabs(cam->expected), 1e-12);
    cli_say(
        c,
        "  completeness: the map adds up to %.4g of the score's difference of %.4g (%.2g%% off) after %d gradients%s\n",
        cam->total, cam->expected, 100 * missing, cam->steps,
        missing <= j->o.tolerance ? "" : "; more --steps come closer");
    json_object_set_new(row, "completeness",
                        json_pack("{s:o,s:o,s:o,s:b}", "total", cli_json_number(cam->total), "expected",
                                  cli_json_number(cam->expected), "error", cli_json_number(missing), "reached",
                                  missing <= j->o.tolerance));
  }
  json_array_append_new(j->rows, row);
}

static wk_status each_class(cam_job *j, wk_error *err) {
  wk_status st = WK_OK;
  for (int k = 0; k < j->count && st == WK_OK; k++) {
    wk_attribution_region e;
    j->o.target = j->class[k];
    st = wk_attribution_make(&j->cam[k], j->l.model, j->l.view.input, &j->o, &j->l.cli->ctx, err);
    if (st == WK_OK)
      st = overlay(&j->overlay[k], j, j->cam[k], &e, err);
    if (st == WK_OK)
      tell(j, j->cam[k], k, &e);
  }
  return st;
}

static bool shows_nothing(const wk_attribution *cam) {
  for (int i = 0; i < cam->height * cam->width; i++)
    if (cam->map[i] > 0)
      return false;
  return true;
}

/* What the colours mean: which pixels or places, and from what to what. */
static wk_legend legend_of(const cam_job *j) {
  const bool both = j->o.method == WK_ATTRIBUTION_GRADINPUT || j->o.method == WK_ATTRIBUTION_IG;
  if (both)
    return (wk_legend){WK_COLORMAP_ATTRIBUTION, "against", "for",
                       "the class, the strongest place at the end of the colours"};
  return (wk_legend){WK_COLORMAP_ATTRIBUTION_FOR, "nothing", "strongest", "what speaks for the class"};
}

static wk_status save_classes(cam_job *j, const char *out, const char *model, const char *photo, wk_error *err) {
  char text[MOST][400], all[512] = "", title[700], subtitle[700], from[300];
  const char *label[MOST];
  for (int k = 0; k < j->count; k++) {
    snprintf(text[k], sizeof text[k], "%.300s %s%s", label_of(j, k), cli_percent(j->cam[k]->p),
             shows_nothing(j->cam[k]) ? ", nothing speaks for it" : "");
    label[k] = text[k];
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", k ? " | " : "", label_of(j, k));
  }
  snprintf(title, sizeof title, "Why the network sees %.600s", j->count == 1 ? label_of(j, 0) : "these classes");
  snprintf(subtitle, sizeof subtitle, "%s%s%s on %s, %s", j->count == 1 ? text[0] : "", j->count == 1 ? ". " : "",
           wk_attribution_method_name(j->o.method), cli_look_file(photo),
           cli_look_model(from, sizeof from, j->l.model, model));
  const wk_legend legend = legend_of(j);
  const wk_frame frame = {
      .title = title,
      .subtitle = subtitle,
      .legends = &legend,
      .legend_count = 1,
      .note =
          "Is the thing itself coloured, or its surroundings? A network that looks at the lawn instead of the dog has "
          "learned lawns. Grey parts the network does not see."};
  wk_image sheet = {0};
  wk_status st = cli_look_sheet(&sheet, j->overlay, j->count == 1 ? NULL : label, j->count, &frame, err);
  if (st == WK_OK)
    st = cli_look_save(&j->l, &sheet, out, all, err);
  wk_image_free(&sheet);
  return st;
}

/* ---- the sanity check -------------------------------------------------------------------------- */

static void judge(cam_job *j, const wk_sanity_step *step, int steps) {
  cli *c = j->l.cli;
  cli_say(c, "  with shuffled weights, the rank correlation with this map falls to:");
  for (int i = 0; i < steps; i++) {
    json_array_append_new(j->sanity, json_pack("{s:s,s:o}", "shuffled", step[i].name, "rank_correlation",
                                               cli_json_number(step[i].correlation)));
    if (isfinite(step[i].correlation))
      cli_say(c, "%s %.2f (%s)", i ? "," : "", step[i].correlation, step[i].name);
    else
      cli_say(c, "%s nothing left (%s)", i ? "," : "", step[i].name);
  }
  const double last = step[steps - 1].correlation;
  cli_say(c, "\n  %s\n",
          !(fabs(last) >= 0.5) ? "So the map depends on what was learned."
                               : "So much of the map comes from the photo alone: do not trust its details.");
}

static wk_status check_sanity(cam_job *j, const char *out, wk_error *err) {
  enum { STEPS = 8 };
  wk_image picture[STEPS + 1] = {{0}}, sheet = {0};
  char text[STEPS + 1][96];
  const char *label[STEPS + 1];
  wk_sanity_step *step = NULL;
  int steps = 0, drawn = 1;
  j->o.target = j->class[0];
  wk_status st = wk_sanity_check(&step, &steps, j->cam[0], j->l.model, j->l.view.input, &j->o, &j->l.cli->ctx, err);
  picture[0] = j->overlay[0];
  snprintf(text[0], sizeof text[0], "as trained");
  for (int i = 0; i < steps && i < STEPS && st == WK_OK; i++) {
    st = overlay(&picture[drawn], j, step[i].cam, NULL, err);
    if (isfinite(step[i].correlation))
      snprintf(text[drawn], sizeof text[drawn], "shuffled: %s (%.2f)", step[i].name, step[i].correlation);
    else
      snprintf(text[drawn], sizeof text[drawn], "shuffled: %s (nothing left)", step[i].name);
    drawn += st == WK_OK;
  }
  for (int i = 0; i <= STEPS; i++)
    label[i] = text[i];
  char title[700], subtitle[200];
  snprintf(title, sizeof title, "Does the explanation of %.600s depend on what was learned?", label_of(j, 0));
  snprintf(subtitle, sizeof subtitle,
           "%s again, with the weights shuffled from the classes towards the photo; in brackets the rank correlation "
           "with the first map",
           wk_attribution_method_name(j->o.method));
  const wk_legend legend = legend_of(j);
  const wk_frame frame = {.title = title,
                          .subtitle = subtitle,
                          .legends = &legend,
                          .legend_count = 1,
                          .note = "The more is shuffled, the less should be left of the first map. A map that stays "
                                  "the same shows the photo's edges, "
                                  "not what the network knows."};
  char *beside = wk_output_beside(out, "-sanity");
  if (st == WK_OK && !beside)
    st = cli_no_memory(err);
  if (st == WK_OK)
    st = cli_look_sheet(&sheet, picture, label, drawn, &frame, err);
  if (st == WK_OK)
    st = cli_look_save(&j->l, &sheet, beside, "the same map with shuffled weights", err);
  if (st == WK_OK)
    judge(j, step, steps);
  wk_free(beside);
  wk_image_free(&sheet);
  for (int i = 1; i < drawn; i++)
    wk_image_free(&picture[i]);
  wk_sanity_free(step, steps);
  return st;
}

/* ---- the command ------------------------------------------------------------------------------- */

static json_t *more_of(cam_job *j, const char *layer) {
  json_t *all = json_pack("{s:s,s:s?,s:o}", "method", method_name(j->o.method), "layer", layer, "classes", j->rows);
  j->rows = NULL;
  if (json_array_size(j->sanity))
    json_object_set(all, "sanity", j->sanity);
  return all;
}

int cli_look_cam(cli *c, const cli_command *self, int argc, char **argv) {
  const char *classes = NULL, *out = "cam.png", *layer = NULL, *arch = NULL;
  bool sanity = false;
  cam_job j = {0};
  wk_attribution_options_init(&j.o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"class", 0, CLI_STRING, &classes, "C,C",
       "up to 4 comma-separated classes: labels, indices or WordNet ids; default: the predicted class", 0, 0, NULL},
      {"layer", 0, CLI_STRING, &layer, "NAME", "layer or stage; default: the last one before the pooling", 0, 0, NULL},
      {"sanity", 0, CLI_BOOL, &sanity, NULL, "also write the map of randomised weights (-sanity.png)", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &j.o, wk_attribution_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  j.o.seed = c->ctx.seed;
  if (layer && wk_attribution_of_pixels(j.o.method))
    return cli_usage_error(self, "--layer is for maps of a layer; %s is of pixels", method_name(j.o.method));
  j.rows = json_array();
  j.sanity = json_array();
  wk_error err = {0};
  wk_status st = cli_look_begin(&j.l, c, argv[0], arch, argv[1], out, &err);
  if (st == WK_OK && sanity)
    st = wk_output_check_beside(out, "-sanity", &err);
  if (st == WK_OK && layer)
    st = wk_layer_find(&j.o.layer, j.l.model->backbone->graph, layer, &err);
  if (st == WK_OK)
    st = cli_look_classes(j.class, &j.count, MOST, &j.l, classes, &err);
  if (st == WK_OK)
    st = each_class(&j, &err);
  if (st == WK_OK)
    st = save_classes(&j, out, argv[0], argv[1], &err);
  if (st == WK_OK && sanity)
    st = check_sanity(&j, out, &err);
  wk_node_info info = {0};
  if (st == WK_OK && j.cam[0]->layer >= 0)
    st = wk_graph_node(&info, j.l.model->backbone->graph, j.cam[0]->layer, 0, 0, &err);
  json_t *more = NULL;
  if (st == WK_OK) {
    cli_say(c, "%s \u00b7 %s%s%s\n", out, wk_attribution_method_name(j.o.method), info.name ? " at " : "",
            info.name ? info.name : "");
    more = more_of(&j, info.name);
  }
  for (int k = 0; k < MOST; k++) {
    wk_attribution_free(j.cam[k]);
    wk_image_free(&j.overlay[k]);
  }
  json_decref(j.rows);
  json_decref(j.sanity);
  return cli_look_end(&j.l, st, &err, more);
}
