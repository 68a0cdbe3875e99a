/* cmd_look_occlusion.c - `whisker look occlusion`: what hiding each place of a photo costs. */
#include <stdlib.h>

#include "look.h"

static json_t *drops_of(const wk_occlusion *o) {
  json_t *rows = json_array();
  for (int y = 0; y < o->rows; y++) {
    json_t *row = json_array();
    for (int x = 0; x < o->columns; x++)
      json_array_append_new(row, cli_json_number((double)o->drop[y * o->columns + x]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static float largest(const wk_occlusion *o) {
  float most = o->drop[0];
  for (int i = 1; i < o->rows * o->columns; i++)
    most = o->drop[i] > most ? o->drop[i] : most;
  return most;
}

static wk_status draw(wk_image *out, const cli_looking *l, const wk_occlusion *hidden, const char *label,
                      const char *model, const char *photo, wk_error *err) {
  char title[700], subtitle[900], most[32], from[300];
  wk_image overlay;
  wk_status st = wk_attribution_draw(&overlay, hidden->map, &l->view, 0, err);
  if (st != WK_OK)
    return st;
  const double drop = (double)largest(hidden);
  snprintf(title, sizeof title, "What must not be hidden of %.600s", label);
  snprintf(subtitle, sizeof subtitle,
           "%.300s %s with nothing hidden. Places of %d x %d pixels hidden one after the other on %s, %s", label,
           cli_percent(hidden->p), hidden->patch, hidden->patch, cli_look_file(photo),
           cli_look_model(from, sizeof from, l->model, model));
  snprintf(most, sizeof most, "%.1f points", drop > 0 ? 100 * drop : 0.0);
  const wk_legend legend = {WK_COLORMAP_ATTRIBUTION_FOR, "0", most,
                            "of probability lost when this place is hidden (mean over the patches on it)"};
  const wk_frame frame = {
      .title = title,
      .subtitle = subtitle,
      .legends = &legend,
      .legend_count = 1,
      .note = "Strong colours: what the class stands or falls with. Blue: without this the network would be surer."};
  st = cli_look_sheet(out, &overlay, NULL, 1, &frame, err);
  wk_image_free(&overlay);
  return st;
}

int cli_look_occlusion(cli *c, const cli_command *self, int argc, char **argv) {
  const char *class = NULL, *out = "occlusion.png", *arch = NULL;
  wk_occlusion_options o;
  wk_occlusion_options_init(&o);
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.png", "picture to write", 0, 0, NULL},
      {"class", 0, CLI_STRING, &class, "C", "class: a label, index or WordNet id; default: the predicted class", 0, 0,
       NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_occlusion_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  wk_error err = {0};
  cli_looking l;
  wk_occlusion *hidden = NULL;
  wk_attribution_region e;
  wk_image picture = {0};
  json_t *more = NULL;
  int count;
  wk_status st = cli_look_begin(&l, c, argv[0], arch, argv[1], out, &err);
  if (st == WK_OK)
    st = cli_look_classes(&o.target, &count, 1, &l, class, &err);
  if (st == WK_OK)
    st = wk_occlusion_make(&hidden, l.model, l.view.input, &o, &c->ctx, &err);
  if (st == WK_OK)
    st = wk_attribution_region_find(&e, hidden->map, &l.view, &err);
  const char *label = st == WK_OK ? l.model->labels[o.target] : "";
  if (st == WK_OK)
    st = draw(&picture, &l, hidden, label, argv[0], argv[1], &err);
  if (st == WK_OK)
    st = cli_look_save(&l, &picture, out, label, &err);
  if (st == WK_OK) {
    const double most = (double)largest(hidden);
    cli_say(c, "%s %s: hiding %d x %d of %d x %d pixels takes at most %.1f points of it; %s.\n%s\n", label,
            cli_percent(hidden->p), hidden->patch, hidden->patch, hidden->width, hidden->height,
            most > 0 ? 100 * most : 0.0, cli_look_where(&e), out);
    more = json_pack("{s:o,s:i,s:f,s:f,s:i,s:i,s:o,s:o}", "class", cli_json_text(label), "index", o.target, "p",
                     hidden->p, "largest_drop", most, "patch", hidden->patch, "step", hidden->step, "drops",
                     drops_of(hidden), "evidence", cli_look_evidence_json(&e));
  }
  wk_image_free(&picture);
  wk_occlusion_free(hidden);
  return cli_look_end(&l, st, &err, more);
}
