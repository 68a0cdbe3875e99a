/* attack_photo.c - wk_attack_photo: a copy of a photo that a model takes for something else. What counts is the file:
 * it is saved in 8 bits, read back through the ordinary way, and predicted again. */
#include <math.h>
#include <string.h>

#include "attack/option_tables.h"
#include "base/softmax.h"
#include "whisker/draw.h"
#include "whisker/insight.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

typedef struct attacking {
  wk_call call;
  const wk_attack_photo_options *o;
  wk_attack_options attack;
  const wk_model *model;
  wk_diff_classifier *classifier;
  wk_image photo; /* what is attacked: what the network sees of the photo, or all of it */
  float *pixels;  /* the same */
  wk_image changed;
  wk_attack_report *report;
} attacking;

static const wk_option option_rows[] = {
    {.name = "to",
     WK_ROW_TEXT(wk_attack_photo_options, to),
     .placeholder = "CLASS",
     .help = "target class: a label, index or WordNet id, or \"any KIND\" (any cat); default: any other class"},
    {.name = "full",
     WK_ROW_BOOL(wk_attack_photo_options, full),
     .help = "attack the whole photo at its own size, through the resize, instead of what the network sees"},
    {.name = "check-on",
     WK_ROW_TEXT(wk_attack_photo_options, check_on),
     .placeholder = "MODEL",
     .help = "also test the result on this model (transfer)"},
    {WK_ROW_PART(wk_attack_photo_options, attack, &wk_attack_table)},
    {0}};
static const wk_option_table option_table = {"attack_photo_options", sizeof(wk_attack_photo_options), option_rows,
                                             NULL};
const wk_option_table *wk_attack_photo_options_table(void) { return &option_table; }

void wk_attack_photo_options_init(wk_attack_photo_options *o) { wk_options_init(o, &option_table); }

static void opinion_free(wk_opinion *o) { wk_free(o->label); }

void wk_attack_report_free(wk_attack_report *r) {
  if (!r)
    return;
  for (int i = 0; i < WK_JPEG_QUALITIES; i++)
    opinion_free(&r->jpeg[i]);
  opinion_free(&r->saved);
  opinion_free(&r->other_before);
  opinion_free(&r->other_sees);
  wk_attack_result_free(&r->result);
  wk_free(r->label_before);
  wk_free(r->label_after);
  wk_free(r->label_target);
  wk_free(r->out);
  wk_free(r->picture);
  wk_free(r->other);
  wk_free(r);
}

static size_t values(const wk_image *i) { return (size_t)i->width * (size_t)i->height * 3; }

static wk_status load(attacking *a, const char *path, wk_error *err) {
  wk_image seen;
  wk_decode_options o;
  wk_preprocess_decode_options(&o, &a->model->backbone->preprocess);
  WK_RETURN_IF_ERROR(wk_photo_load(&a->photo, path, &o, err));
  if (!a->o->full) {
    WK_RETURN_IF_ERROR(wk_preprocess_pixels(&seen, &a->photo, &a->model->backbone->preprocess, err));
    wk_image_free(&a->photo);
    a->photo = seen;
  }
  size_t n = values(&a->photo);
  if (!(a->pixels = wk_alloc_array(n, sizeof *a->pixels)))
    return wk_no_memory(err);
  for (size_t i = 0; i < n; i++)
    a->pixels[i] = a->photo.pixels[i];
  return WK_OK;
}

/* Of the classes that "any cat" means the one that the model takes the photo for most, so that the least has to be
 * changed. */
static wk_status choose_of_kind(int *target, const wk_call *call, const wk_model *m, const char *photo, const int *kind,
                                int count, wk_error *err) {
  wk_features_options o;
  wk_features_options_init(&o);
  float *p = NULL;
  wk_features *f = NULL;
  WK_RETURN_IF_ERROR(wk_model_predict(&p, &f, m, &photo, 1, &o, &call->ctx, err));
  wk_status st = WK_OK;
  *target = kind[0];
  for (int i = 1; i < count && f->rows; i++)
    *target = p[kind[i]] > p[*target] ? kind[i] : *target;
  const int top = f->rows ? wk_best_class(p, m->label_count, -1) : 0;
  if (f->rows && top == *target)
    st = WK_FAIL(err, WK_ERR_ARGUMENT, "%s: the photo already is of that kind (%s, %.1f%%): there is nothing to attack",
                 photo, m->labels[top], 100 * (double)p[top]);
  wk_features_free(f);
  wk_free(p);
  return st;
}

static wk_status choose_target(int *target, const wk_call *call, const wk_model *m, const char *photo, const char *name,
                               wk_error *err) {
  wk_status st = WK_OK;
  int count = 0, *kind = wk_alloc_array((size_t)m->label_count + 1, sizeof *kind);
  WK_FAIL_IF(!kind, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_model_kind(kind, &count, m, name, err));
  if (count)
    WK_TRY(choose_of_kind(target, call, m, photo, kind, count, err));
  else
    WK_TRY(wk_model_class(target, m, name, err));
done:
  wk_free(kind);
  return st;
}

/* ---- opinions ---------------------------------------------------------------------------------- */

static wk_status keep_opinion(wk_opinion *g, const wk_model *m, const float *p, int target, wk_error *err) {
  const int top = wk_best_class(p, m->label_count, -1);
  *g = (wk_opinion){wk_strdup(m->labels[top]), (double)p[top], target >= 0 ? (double)p[target] : NAN};
  return g->label ? WK_OK : wk_no_memory(err);
}

/* What a model sees in a file, read anew and without kept features. */
static wk_status ask(wk_opinion *g, const wk_call *call, const wk_model *m, const char *path, int target,
                     wk_error *err) {
  wk_features_options o;
  wk_features_options_init(&o);
  float *p = NULL;
  wk_features *f = NULL;
  wk_status st = wk_model_predict(&p, &f, m, &path, 1, &o, &call->ctx, err);
  if (st == WK_OK)
    st = f->rows ? keep_opinion(g, m, p, target, err) : WK_FAIL(err, WK_ERR_IO, "%s: cannot be read back", path);
  wk_features_free(f);
  wk_free(p);
  return st;
}

/* What the model sees of the result after JPEG of one quality. */
static wk_status ask_jpeg(wk_opinion *g, attacking *a, int quality, float *scores, wk_error *err) {
  wk_status st = WK_OK;
  const wk_preprocess *p = &a->model->backbone->preprocess;
  uint8_t *bytes = NULL;
  size_t size;
  wk_image back = {0}, seen = {0};
  float *input = wk_alloc_array((size_t)p->width * (size_t)p->height * 3, sizeof *input);
  WK_FAIL_IF(!input, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_image_encode_jpeg(&bytes, &size, &a->changed, quality, err));
  WK_TRY(wk_image_decode(&back, bytes, size, NULL, err));
  WK_TRY(wk_preprocess_pixels(&seen, &back, p, err));
  wk_preprocess_normalise(input, seen.pixels, p);
  WK_TRY(wk_diff_classifier_forward(a->classifier, input, 1, err));
  wk_diff_classifier_softmax(scores, wk_diff_classifier_scores(a->classifier), a->model->label_count);
  WK_TRY(keep_opinion(g, a->model, scores, a->attack.target, err));
done:
  wk_image_free(&seen);
  wk_image_free(&back);
  wk_free(bytes);
  wk_free(input);
  return st;
}

static wk_status ask_jpegs(attacking *a, wk_error *err) {
  static const int quality[WK_JPEG_QUALITIES] = {95, 90, 75, 50};
  float *scores = wk_alloc_array((size_t)a->model->label_count, sizeof *scores);
  wk_status st = scores ? WK_OK : wk_no_memory(err);
  for (int i = 0; i < WK_JPEG_QUALITIES && st == WK_OK; i++) {
    a->report->quality[i] = quality[i];
    st = ask_jpeg(&a->report->jpeg[i], a, quality[i], scores, err);
  }
  wk_free(scores);
  return st;
}

/* The result, and the photo it was made of, to another model. */
static wk_status ask_other(attacking *a, const char *photo, wk_error *err) {
  wk_attack_report *r = a->report;
  wk_model *m = NULL;
  wk_status st = wk_call_open_model(&m, &a->call, a->o->check_on, NULL, err);
  if (st == WK_OK)
    st = ask(&r->other_before, &a->call, m, photo, -1, err);
  if (st == WK_OK)
    st = ask(&r->other_sees, &a->call, m, r->out, -1, err);
  wk_model_free(m);
  if (st == WK_OK && !(r->other = wk_strdup(a->o->check_on)))
    st = wk_no_memory(err);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* The photo, the change ten times as strong around grey, and the result, with what the model sees in them. */
static wk_status draw_sheet(wk_image *out, attacking *a, wk_error *err) {
  wk_status st = WK_OK;
  const wk_attack_result *r = &a->report->result;
  wk_image piece[3] = {{0}};
  char text[3][400], title[900], subtitle[200];
  const char *label[3] = {text[0], text[1], text[2]};
  for (int i = 0; i < 3; i++)
    WK_TRY(wk_image_alloc(&piece[i], a->photo.width, a->photo.height, err));
  for (size_t i = 0; i < values(&a->photo); i++) {
    int change = 128 + 10 * ((int)a->changed.pixels[i] - (int)a->photo.pixels[i]);
    piece[0].pixels[i] = a->photo.pixels[i];
    piece[1].pixels[i] = (uint8_t)(change < 0 ? 0 : change > 255 ? 255 : change);
    piece[2].pixels[i] = a->changed.pixels[i];
  }
  snprintf(text[0], sizeof text[0], "%s %s", a->model->labels[r->before], wk_figure_percent((double)r->p_before).text);
  snprintf(text[1], sizeof text[1], "change x 10 (up to %.0f/255)", r->linf_255);
  snprintf(text[2], sizeof text[2], "%s %s", a->report->saved.label, wk_figure_percent(a->report->saved.p).text);
  wk_sheet s;
  wk_sheet_init(&s);
  snprintf(title, sizeof title, "How %.400s becomes %.400s", a->model->labels[r->before], a->report->saved.label);
  snprintf(subtitle, sizeof subtitle,
           "No value is changed by more than %.0f of 255 grey levels; root mean square of the change %.2f", r->linf_255,
           r->l2_255 / sqrt((double)values(&a->photo)));
  s.columns = 3;
  s.crisp = true;
  s.frame = (wk_frame){
      .title = title,
      .subtitle = subtitle,
      .note =
          "Can you see the difference between the first picture and the last? The network sees another thing. In the "
          "middle: what was added, ten times as strong, around grey."};
  WK_TRY(wk_sheet_draw(out, piece, label, 3, &s, err));
done:
  for (int i = 0; i < 3; i++)
    wk_image_free(&piece[i]);
  return st;
}

static wk_status save(attacking *a, wk_error *err) {
  wk_attack_report *r = a->report;
  wk_image sheet = {0};
  WK_RETURN_IF_ERROR(wk_image_alloc(&a->changed, a->photo.width, a->photo.height, err));
  for (size_t i = 0; i < values(&a->photo); i++)
    a->changed.pixels[i] = (uint8_t)r->result.pixels[i]; /* whole numbers already */
  WK_RETURN_IF_ERROR(wk_image_save_png(&a->changed, r->out, err));
  WK_RETURN_IF_ERROR(ask(&r->saved, &a->call, a->model, r->out, a->attack.target, err));
  WK_RETURN_IF_ERROR(ask_jpegs(a, err));
  WK_RETURN_IF_ERROR(draw_sheet(&sheet, a, err));
  wk_status st = wk_image_save_png(&sheet, r->picture, err);
  wk_image_free(&sheet);
  return st;
}

/* ---- the attack -------------------------------------------------------------------------------- */

/* Would a picture of the network's own size be read back as it is? */
static bool comes_back(const wk_preprocess *p) { return p->rule != WK_CROP_CENTER || p->resize == p->width; }

static wk_status run(attacking *a, const char *photo, wk_error *err) {
  const wk_preprocess *p = &a->model->backbone->preprocess;
  wk_diff_classifier_options co;
  wk_diff_classifier_options_init(&co);
  co.threads = wk_context_threads(&a->call.ctx);
  WK_RETURN_IF_ERROR(load(a, photo, err));
  WK_RETURN_IF_ERROR(wk_diff_classifier_create(&a->classifier, a->model, &co, err));
  if (a->o->full) {
    a->attack.width = a->photo.width;
    a->attack.height = a->photo.height;
  }
  wk_status st = wk_attack_run(&a->report->result, a->classifier, p, a->pixels, &a->attack, a->call.ctx.seed, 0, err);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", photo);
}

/* Is a picture taken for the class asked for (no longer for what it was)? */
static bool holds(const attacking *a, const wk_opinion *g) {
  const int target = a->attack.target;
  return target >= 0 ? !strcmp(g->label, a->model->labels[target])
                     : strcmp(g->label, a->model->labels[a->report->result.before]) != 0;
}

static wk_status sum_up(attacking *a, wk_error *err) {
  wk_attack_report *r = a->report;
  r->targeted = a->attack.target >= 0;
  r->target = a->attack.target;
  if (r->targeted && !(r->label_target = wk_strdup(a->model->labels[r->target])))
    return wk_no_memory(err);
  r->success = holds(a, &r->saved);
  for (int i = 0; i < WK_JPEG_QUALITIES; i++)
    r->survives[i] = holds(a, &r->jpeg[i]);
  if (r->other)
    r->transfers = r->targeted ? holds(a, &r->other_sees) : strcmp(r->other_sees.label, r->other_before.label) != 0;
  r->width = a->photo.width;
  r->height = a->photo.height;
  r->rms_255 = r->result.l2_255 / sqrt((double)values(&a->photo));
  wk_free(r->result.pixels);
  r->result.pixels = NULL;
  r->label_before = wk_strdup(a->model->labels[r->result.before]);
  r->label_after = wk_strdup(a->model->labels[r->result.after]);
  r->seconds = wk_call_seconds(&a->call);
  return r->label_before && r->label_after ? WK_OK : wk_no_memory(err);
}

wk_status wk_attack_photo(wk_attack_report **out, wk_session *s, const wk_model *m, const char *photo, const char *path,
                          const wk_attack_photo_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, photo, path);
  wk_status st = WK_OK;
  wk_attack_photo_options o;
  wk_attack_photo_options_init(&o);
  if (options)
    o = *options;
  attacking a = {.o = &o, .attack = o.attack, .model = m};
  wk_call_begin(&a.call, s);
  WK_TRY(wk_output_check(path, false, err));
  WK_TRY(wk_output_check_beside(path, "-change", err));
  if (o.to)
    WK_TRY(choose_target(&a.attack.target, &a.call, m, photo, o.to, err));
  WK_FAIL_IF(
      !o.full && !comes_back(&m->backbone->preprocess), err, WK_ERR_UNSUPPORTED,
      "%s: enlarges every photo before its crop, so a picture as the network sees it would not be read back as it "
      "is; use --full",
      m->backbone->arch->name);
  a.report = wk_calloc(1, sizeof *a.report);
  WK_FAIL_IF(!a.report || !(a.report->out = wk_strdup(path)) ||
                 !(a.report->picture = wk_output_beside(path, "-change")),
             err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(run(&a, photo, err));
  WK_TRY(save(&a, err));
  if (o.check_on)
    WK_TRY(ask_other(&a, photo, err));
  WK_TRY(sum_up(&a, err));
  *out = a.report;
  a.report = NULL;
done:
  wk_attack_report_free(a.report);
  wk_image_free(&a.photo);
  wk_image_free(&a.changed);
  wk_free(a.pixels);
  wk_diff_classifier_free(a.classifier);
  wk_call_end(&a.call);
  return st;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *opinion_json(const wk_opinion *g) {
  return json_pack("{s:o,s:o,s:o}", "label", wk_report_text(g->label), "p", wk_report_number(g->p), "p_target",
                   wk_report_number(g->p_target));
}

static json_t *class_json(const char *label, int class, float p) {
  return json_pack("{s:o,s:o,s:i}", "label", wk_report_text(label), "p", wk_report_number((double)p), "index", class);
}

static json_t *jpeg_json(const wk_attack_report *r) {
  json_t *rows = json_array();
  for (int i = 0; i < WK_JPEG_QUALITIES; i++) {
    json_t *row = opinion_json(&r->jpeg[i]);
    json_object_set_new(row, "quality", json_integer(r->quality[i]));
    json_object_set_new(row, "survives", json_boolean(r->survives[i]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *other_json(const wk_attack_report *r) {
  if (!r->other)
    return json_null();
  return json_pack("{s:o,s:o,s:o,s:b}", "model", wk_report_text(r->other), "before", opinion_json(&r->other_before),
                   "sees", opinion_json(&r->other_sees), "transfers", r->transfers);
}

char *wk_attack_report_json(const wk_attack_report *r) {
  const wk_attack_result *a = &r->result;
  json_t *target =
      r->targeted ? json_pack("{s:o,s:i}", "label", wk_report_text(r->label_target), "index", r->target) : json_null();
  return wk_report_print(json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:f,s:f,s:f,s:i,s:f,s:i,s:i,s:o,s:o}", "target",
                                   target, "out", wk_report_text(r->out), "picture", wk_report_text(r->picture),
                                   "before", class_json(r->label_before, a->before, a->p_before), "after",
                                   class_json(r->label_after, a->after, a->p_after), "after_8bit",
                                   opinion_json(&r->saved), "success", r->success, "linf_255", a->linf_255, "l2",
                                   a->l2_255, "rms_255", r->rms_255, "steps", a->steps, "seconds", r->seconds, "width",
                                   r->width, "height", r->height, "jpeg", jpeg_json(r), "check_on", other_json(r)));
}
