/* cmd_robust.c - `whisker robust`: a model's accuracy against attacks of growing strength and against ordinary damage.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static wk_status draw(const char *out, const wk_robust *r, const wk_robust_options *o, wk_error *err) {
  wk_robust_curve c;
  wk_robust_curve_fill(&c, r, o->eps_255, "top-1");
  return wk_chart_save(out, &c.chart, err);
}

static wk_status draw_damage(const char *path, const wk_robust *r, wk_error *err) {
  double x[WK_SEVERITIES], y[WK_CORRUPTION_COUNT][WK_SEVERITIES];
  wk_series s[WK_CORRUPTION_COUNT] = {{0}};
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    for (int k = 0; k < WK_SEVERITIES; k++) {
      x[k] = k + 1;
      y[d][k] = (double)r->corruption_right[d][k] / (double)r->photo_count;
    }
    s[d] = (wk_series){.name = wk_corruption_name((wk_corruption)d), .n = WK_SEVERITIES, .x = x, .y = y[d]};
  }
  wk_chart chart = {.title = "Right after ordinary damage",
                    .x_label = "severity",
                    .y_label = "top-1",
                    .series = s,
                    .count = WK_CORRUPTION_COUNT,
                    .percent = true};
  return wk_chart_save(path, &chart, err);
}

static json_t *damage_json(cli *c, const wk_robust *r) {
  json_t *all = json_object();
  cli_say(c, "\nordinary damage, severity 1 to 5\n");
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    json_t *row = json_array();
    cli_say(c, "  %-11s", wk_corruption_name((wk_corruption)d));
    for (int s = 0; s < WK_SEVERITIES; s++) {
      double share = (double)r->corruption_right[d][s] / (double)r->photo_count;
      cli_say(c, " %6s", cli_percent(share));
      json_array_append_new(row, cli_json_number(share));
    }
    cli_say(c, "\n");
    json_object_set_new(all, wk_corruption_name((wk_corruption)d), row);
  }
  return all;
}

static int report(cli *c, const wk_robust *r, const wk_robust_options *o, const char *out, const char *damage_out,
                  const size_t *left_out) {
  json_t *eps = json_array(), *accuracy = json_array(), *intervals = json_array();
  cli_say(c, "%s, untargeted PGD, %d steps, %d random restart%s", cli_photos(r->photo_count), o->steps, o->restarts,
          o->restarts == 1 ? "" : "s");
  if (left_out && *left_out)
    cli_say(c, "; %s that it learned from are left out", cli_count(*left_out));
  cli_say(c, "\n");
  for (int i = 0; i < r->count; i++) {
    wk_interval w = wk_wilson(r->right[i], r->photo_count);
    cli_say(c, "  change up to %4g/255  %6s  (%s)\n", o->eps_255[i], cli_percent(w.value), cli_interval(w));
    json_array_append_new(eps, cli_json_number(o->eps_255[i]));
    json_array_append_new(accuracy, cli_json_number(w.value));
    json_array_append_new(intervals, cli_json_interval(w));
  }
  cli_say(c, "Changes below 1/255 exist only before a photo is saved in 8 bits: they show how near the border is.\n");
  json_t *damage = o->corruptions ? damage_json(c, r) : json_null();
  if (out)
    cli_say(c, "\nThe curve is in %s%s%s\n", out, damage_out ? ", that of the damage in " : "",
            damage_out ? damage_out : "");
  return cli_print_json(c, json_pack("{s:o,s:I,s:o,s:o,s:o,s:o,s:i,s:i,s:o,s:O,s:o}", "damage_out",
                                     damage_out ? cli_json_text(damage_out) : json_null(), "photos",
                                     (json_int_t)r->photo_count, "eps_255", eps, "accuracy", accuracy, "intervals",
                                     intervals, "damage", damage, "steps", o->steps, "restarts", o->restarts, "out",
                                     out ? cli_json_text(out) : json_null(), "warnings", c->warnings,
                                     "left_out_learned", left_out ? json_integer((json_int_t)*left_out) : json_null()));
}

/* "0,0.5,1" into numbers; how many, or -1. */
static int numbers(double *out, int most, const char *text) {
  int n = 0;
  for (const char *p = text; *p && n < most; n++) {
    char *end;
    out[n] = strtod(p, &end);
    if (end == p || (*end && *end != ','))
      return -1;
    p = *end ? end + 1 : end;
  }
  return n;
}

int cli_robust(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  int names = 0, most = 0;
  const char *out = NULL, *eps = NULL;
  double strengths[WK_ROBUST_STRENGTHS];
  wk_robust_options o;
  wk_robust_options_init(&o);
  const cli_flag flags[] = {
      {"eps", 0, CLI_STRING, &eps, "E,E,...",
       "comma-separated strengths from 0 up, in units of 1/255; default: 0,0.25,0.5,1,2,4,8", 0, 0, NULL},
      {"photos", 0, CLI_INT, &most, "N", "use only the first N photos of every class; 0: all", 0, INFINITY, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where to read the class of a photo", 0, 0, from},
      {"output", 'o', CLI_STRING, &out, "FILE.svg", "draw the curve as a picture", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_robust_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  if (eps) {
    o.eps_255 = strengths;
    if ((o.count = numbers(strengths, WK_ROBUST_STRENGTHS, eps)) < 1)
      return cli_usage_error(self, "--eps takes numbers with commas between, such as 0,1,2");
  }
  wk_error err = {0};
  wk_model *m = NULL;
  wk_dataset *d = NULL;
  wk_robust *r = NULL;
  wk_photo_list p = {0};
  wk_session *session = NULL;
  size_t left_out = 0;
  wk_status st = out ? wk_output_check(out, false, &err) : WK_OK;
  if (st == WK_OK && out && o.corruptions)
    st = wk_output_check_beside(out, "-damage", &err);
  if (st == WK_OK)
    st = wk_model_open(&m, argv[0], NULL, &c->pull, &c->ctx, &err);
  if (st == WK_OK) {
    wk_dataset_options dopt;
    cli_dataset_options(&dopt, c);
    dopt.labels_from_name = names == 1;
    dopt.classes = (const char *const *)m->labels;
    dopt.class_count = m->label_count;
    st = wk_dataset_open(&d, argv[1], &dopt, &err);
  }
  if (st == WK_OK)
    st = wk_photos_to_test(&p, NULL, d, 0, &err);
  if (st == WK_OK)
    st = cli_session(&session, c, &err);
  if (st == WK_OK)
    st = wk_photos_leave_out_learned(&left_out, &p, session, m, &err);
  if (st == WK_OK && left_out && !p.count)
    st = cli_error(&err, WK_ERR_ARGUMENT,
                   "%s: the model learned from all of its %zu photos; give photos it has not seen", argv[1], left_out);
  if (st == WK_OK && most)
    st = wk_photos_thin_out(&p, d->class_count, most, &err);
  if (st == WK_OK)
    st = wk_robust_measure(&r, m, p.paths, p.labels, p.count, &o, &c->ctx, &err);
  if (st == WK_OK && !r->photo_count)
    st = cli_error(&err, WK_ERR_FORMAT, "%s: none of its photos could be read", argv[1]);
  if (st == WK_OK && out)
    st = draw(out, r, &o, &err);
  char *damage_out = NULL;
  if (st == WK_OK && out && o.corruptions)
    st = (damage_out = wk_output_beside(out, "-damage")) ? draw_damage(damage_out, r, &err) : cli_no_memory(&err);
  int rc = st == WK_OK ? report(c, r, &o, out, damage_out, m->learned ? &left_out : NULL) : cli_fail(c, &err);
  wk_free(damage_out);
  wk_robust_free(r);
  wk_photo_list_free(&p);
  wk_dataset_free(d);
  wk_model_free(m);
  return rc;
}
