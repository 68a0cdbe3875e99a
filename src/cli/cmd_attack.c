/* cmd_attack.c - `whisker attack`: a copy of a photo that a model takes for something else. What counts is the file: it
 * is saved in 8 bits, read back through the ordinary way, and predicted again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static const int qualities[] = {95, 90, 75, 50};
enum { QUALITIES = sizeof qualities / sizeof *qualities };

/* One opinion about a picture. */
typedef struct guess {
  char *label;
  double p;
  double p_target; /* of the class asked for, NaN without */
} guess;

typedef struct attack {
  cli *cli;
  wk_model *model;
  wk_diff_classifier *classifier;
  wk_image photo; /* what is attacked: what the network sees of the photo, or all of it */
  float *pixels;  /* the same */
  wk_attack_result result;
  wk_image picture; /* the result, as it is saved */
  wk_image sheet;   /* photo, change x 10, result */
  char *sheet_path; /* beside the result */
  guess saved, jpeg[QUALITIES];
  guess other_before, other; /* another model's, of photo and result */
} attack;

static void attack_free(attack *a) {
  for (int i = 0; i < QUALITIES; i++)
    free(a->jpeg[i].label);
  free(a->saved.label);
  free(a->other_before.label);
  free(a->other.label);
  wk_attack_result_free(&a->result);
  wk_image_free(&a->photo);
  wk_image_free(&a->picture);
  wk_image_free(&a->sheet);
  wk_free(a->sheet_path);
  free(a->pixels);
  wk_diff_classifier_free(a->classifier);
  wk_model_free(a->model);
}

static size_t values(const wk_image *i) { return (size_t)i->width * (size_t)i->height * 3; }

static wk_status load(attack *a, const char *path, bool full, wk_error *err) {
  wk_image seen;
  wk_status st = wk_photo_load(&a->photo, path, NULL, err);
  if (st == WK_OK && !full) {
    if ((st = wk_preprocess_pixels(&seen, &a->photo, &a->model->backbone->preprocess, err)) != WK_OK)
      return st;
    wk_image_free(&a->photo);
    a->photo = seen;
  }
  if (st != WK_OK)
    return st;
  size_t n = values(&a->photo);
  if (!(a->pixels = malloc(n * sizeof *a->pixels)))
    return cli_no_memory(err);
  for (size_t i = 0; i < n; i++)
    a->pixels[i] = a->photo.pixels[i];
  return WK_OK;
}

static wk_status keep_guess(guess *g, const wk_model *m, const float *p, int target, wk_error *err) {
  int top = 0;
  for (int i = 1; i < m->label_count; i++)
    top = p[i] > p[top] ? i : top;
  free(g->label);
  *g = (guess){strdup(m->labels[top]), (double)p[top], target >= 0 ? (double)p[target] : NAN};
  return g->label ? WK_OK : cli_no_memory(err);
}

/* What a model sees in a file, read anew and without kept features. */
static wk_status ask(guess *g, cli *c, const wk_model *m, const char *path, int target, wk_error *err) {
  wk_features_options o;
  wk_features_options_init(&o);
  float *p = NULL;
  wk_features *f = NULL;
  wk_status st = wk_model_predict(&p, &f, m, &path, 1, &o, &c->ctx, err);
  if (st == WK_OK)
    st = f->rows ? keep_guess(g, m, p, target, err) : cli_error(err, WK_ERR_IO, "%s: cannot be read back", path);
  wk_features_free(f);
  wk_free(p);
  return st;
}

/* What the model sees of the result after JPEG of one quality. */
static wk_status ask_jpeg(guess *g, attack *a, int quality, float *scores, int target, wk_error *err) {
  const wk_preprocess *p = &a->model->backbone->preprocess;
  uint8_t *bytes = NULL;
  size_t size;
  wk_image back = {0}, seen = {0};
  float *input = malloc((size_t)p->width * (size_t)p->height * 3 * sizeof *input);
  wk_status st = input ? WK_OK : cli_no_memory(err);
  if (st == WK_OK)
    st = wk_image_encode_jpeg(&bytes, &size, &a->picture, quality, err);
  if (st == WK_OK)
    st = wk_image_decode(&back, bytes, size, NULL, err);
  if (st == WK_OK)
    st = wk_preprocess_pixels(&seen, &back, p, err);
  if (st == WK_OK) {
    wk_preprocess_normalise(input, seen.pixels, p);
    st = wk_diff_classifier_forward(a->classifier, input, 1, err);
  }
  if (st == WK_OK) {
    wk_diff_classifier_softmax(scores, wk_diff_classifier_scores(a->classifier), a->model->label_count);
    st = keep_guess(g, a->model, scores, target, err);
  }
  wk_image_free(&seen);
  wk_image_free(&back);
  wk_free(bytes);
  free(input);
  return st;
}

static wk_status ask_jpegs(attack *a, int target, wk_error *err) {
  float *scores = malloc((size_t)a->model->label_count * sizeof *scores);
  wk_status st = scores ? WK_OK : cli_no_memory(err);
  for (int i = 0; i < QUALITIES && st == WK_OK; i++)
    st = ask_jpeg(&a->jpeg[i], a, qualities[i], scores, target, err);
  free(scores);
  return st;
}

/* Shrinks a picture to at most MOST pixels a side. The change keeps single pixels: their mean is grey. */
static wk_status shrink(wk_image *image, wk_filter filter, wk_error *err) {
  enum { MOST = 448 };
  int longer = image->width > image->height ? image->width : image->height;
  if (longer <= MOST)
    return WK_OK;
  wk_image small;
  int width = (int)lround((double)image->width * MOST / longer),
      height = (int)lround((double)image->height * MOST / longer);
  wk_status st = wk_image_resize(&small, image, width > 0 ? width : 1, height > 0 ? height : 1, filter, NULL, err);
  if (st != WK_OK)
    return st;
  wk_image_free(image);
  *image = small;
  return WK_OK;
}

/* The photo, the change ten times as strong around grey, and the result, with what the model sees in them. */
static wk_status draw_sheet(attack *a, wk_error *err) {
  size_t n = values(&a->photo);
  wk_image piece[3] = {{0}};
  char text[3][160];
  const char *label[3] = {text[0], text[1], text[2]};
  wk_status st = WK_OK;
  for (int i = 0; i < 3 && st == WK_OK; i++)
    st = wk_image_alloc(&piece[i], a->photo.width, a->photo.height, err);
  for (size_t i = 0; st == WK_OK && i < n; i++) {
    int change = 128 + 10 * ((int)a->picture.pixels[i] - (int)a->photo.pixels[i]);
    piece[0].pixels[i] = a->photo.pixels[i];
    piece[1].pixels[i] = (uint8_t)(change < 0 ? 0 : change > 255 ? 255 : change);
    piece[2].pixels[i] = a->picture.pixels[i];
  }
  for (int i = 0; i < 3 && st == WK_OK; i++)
    st = shrink(&piece[i], i == 1 ? WK_FILTER_NEAREST : WK_FILTER_BILINEAR, err);
  const wk_attack_result *r = &a->result;
  snprintf(text[0], sizeof text[0], "%s %s", a->model->labels[r->before], cli_percent((double)r->p_before));
  snprintf(text[1], sizeof text[1], "change x 10 (up to %.0f/255)", r->linf_255);
  snprintf(text[2], sizeof text[2], "%s %s", a->saved.label, cli_percent(a->saved.p));
  wk_sheet s;
  wk_sheet_init(&s);
  s.columns = 3;
  if (st == WK_OK)
    st = wk_sheet_draw(&a->sheet, piece, label, 3, &s, err);
  for (int i = 0; i < 3; i++)
    wk_image_free(&piece[i]);
  return st;
}

static wk_status save(attack *a, const char *out, int target, wk_error *err) {
  wk_status st = wk_image_alloc(&a->picture, a->photo.width, a->photo.height, err);
  if (st != WK_OK)
    return st;
  for (size_t i = 0; i < values(&a->photo); i++)
    a->picture.pixels[i] = (uint8_t)a->result.pixels[i]; /* whole numbers already */
  st = wk_image_save_png(&a->picture, out, err);
  if (st == WK_OK)
    st = ask(&a->saved, a->cli, a->model, out, target, err);
  if (st == WK_OK)
    st = ask_jpegs(a, target, err);
  if (st == WK_OK)
    st = draw_sheet(a, err);
  a->sheet_path = wk_output_beside(out, "-change");
  if (st == WK_OK)
    st = a->sheet_path ? wk_image_save_png(&a->sheet, a->sheet_path, err) : cli_no_memory(err);
  return st;
}

static json_t *guess_json(const guess *g) {
  return json_pack("{s:o,s:o,s:o}", "label", cli_json_text(g->label), "p", cli_json_number(g->p), "p_target",
                   cli_json_number(g->p_target));
}

static json_t *class_json(const attack *a, int class, float p) {
  return json_pack("{s:o,s:o,s:i}", "label", cli_json_text(a->model->labels[class]), "p", cli_json_number((double)p),
                   "index", class);
}

/* Is a picture taken for the class asked for (no longer for what it was)? */
static bool holds(const attack *a, const guess *g, int target) {
  const char *before = a->model->labels[a->result.before];
  return target >= 0 ? !strcmp(g->label, a->model->labels[target]) : strcmp(g->label, before) != 0;
}

static json_t *report_jpeg(attack *a, int target) {
  json_t *rows = json_array();
  for (int i = 0; i < QUALITIES; i++) {
    bool survives = holds(a, &a->jpeg[i], target);
    cli_say(a->cli, "%s%d %s (%s %s)", i ? ", " : "As JPEG: quality ", qualities[i], survives ? "survives" : "undone",
            a->jpeg[i].label, cli_percent(a->jpeg[i].p));
    json_t *row = guess_json(&a->jpeg[i]);
    json_object_set_new(row, "quality", json_integer(qualities[i]));
    json_object_set_new(row, "survives", json_boolean(survives));
    json_array_append_new(rows, row);
  }
  cli_say(a->cli, "\n");
  return rows;
}

static json_t *report_other(attack *a, const char *other, int target) {
  if (!other)
    return json_null();
  bool transfers = target >= 0 ? !strcmp(a->other.label, a->model->labels[target])
                               : strcmp(a->other.label, a->other_before.label) != 0;
  cli_say(a->cli, "%s: %s %s \u2192 %s %s: it %s\n", other, a->other_before.label, cli_percent(a->other_before.p),
          a->other.label, cli_percent(a->other.p), transfers ? "transfers" : "does not transfer");
  return json_pack("{s:o,s:o,s:o,s:b}", "model", cli_json_text(other), "before", guess_json(&a->other_before), "sees",
                   guess_json(&a->other), "transfers", transfers);
}

static int report(attack *a, const char *out, const char *other, int target, double seconds) {
  cli *c = a->cli;
  const wk_attack_result *r = &a->result;
  bool held = holds(a, &a->saved, target);
  cli_say(c, "%s %s \u2192 %s %s, after saving as 8-bit PNG and reading back.%s\n", a->model->labels[r->before],
          cli_percent((double)r->p_before), a->saved.label, cli_percent(a->saved.p),
          held          ? ""
          : target >= 0 ? " That is not the class asked for: try more --steps or a larger --eps."
                        : " It withstood: try more --steps or a larger --eps.");
  double rms = r->l2_255 / sqrt((double)values(&a->photo));
  cli_say(c,
          "No value of the %d x %d pixels moved by more than %.0f/255; root mean square %.2f (length %.0f). %d steps, "
          "%.1f s\n",
          a->photo.width, a->photo.height, r->linf_255, rms, r->l2_255, r->steps, seconds);
  json_t *jpeg = report_jpeg(a, target), *check = report_other(a, other, target);
  cli_say(c, "%s \u00b7 photo, change ten times as strong and result side by side: %s\n", out, a->sheet_path);
  json_t *j =
      json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:f,s:f,s:f,s:i,s:f}", "out", cli_json_text(out), "picture",
                cli_json_text(a->sheet_path), "before", class_json(a, r->before, r->p_before), "after",
                class_json(a, r->after, r->p_after), "after_8bit", guess_json(&a->saved), "success", held, "linf_255",
                r->linf_255, "l2", r->l2_255, "rms_255", rms, "steps", r->steps, "seconds", seconds);
  json_object_set_new(j, "width", json_integer(a->photo.width));
  json_object_set_new(j, "height", json_integer(a->photo.height));
  json_object_set_new(j, "jpeg", jpeg);
  json_object_set_new(j, "check_on", check);
  return cli_print_json(c, j);
}

/* The result, and the photo it was made of, to another model. */
static wk_status ask_other(attack *a, const char *other, const char *photo, const char *out, wk_error *err) {
  wk_model *m = NULL;
  wk_status st = wk_model_open(&m, other, NULL, &a->cli->pull, &a->cli->ctx, err);
  if (st == WK_OK)
    st = ask(&a->other_before, a->cli, m, photo, -1, err);
  if (st == WK_OK)
    st = ask(&a->other, a->cli, m, out, -1, err);
  wk_model_free(m);
  return st;
}

/* Would a picture of the network's own size be read back as it is? */
static bool comes_back(const wk_preprocess *p) { return p->rule != WK_CROP_CENTER || p->resize == p->width; }

static wk_status run(attack *a, const char *model, const char *photo, const char *to, bool full, const char *out,
                     const char *other, wk_attack_options *o, wk_error *err) {
  cli *c = a->cli;
  wk_status st = wk_output_check(out, false, err);
  if (st == WK_OK)
    st = wk_output_check_beside(out, "-change", err);
  if (st == WK_OK)
    st = wk_model_open(&a->model, model, NULL, &c->pull, &c->ctx, err);
  if (st == WK_OK && to)
    st = wk_model_class(&o->target, a->model, to, err);
  if (st != WK_OK)
    return st;
  const wk_preprocess *p = &a->model->backbone->preprocess;
  if (!full && !comes_back(p))
    return cli_error(
        err, WK_ERR_UNSUPPORTED,
        "%s: enlarges every photo before its crop, so a picture as the network sees it would not be read back as it "
        "is; use --full",
        model);
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  lo.threads = wk_context_threads(&c->ctx);
  if ((st = load(a, photo, full, err)) == WK_OK)
    st = wk_diff_classifier_create(&a->classifier, a->model, &lo, err);
  if (full) {
    o->width = a->photo.width;
    o->height = a->photo.height;
  }
  if (st == WK_OK && (st = wk_attack_run(&a->result, a->classifier, p, a->pixels, o, c->ctx.seed, 0, err)) != WK_OK) {
    wk_error cause = *err;
    cli_error(err, st, "%s: %s", photo, cause.message);
  }
  if (st == WK_OK)
    st = save(a, out, o->target, err);
  if (st == WK_OK && other)
    st = ask_other(a, other, photo, out, err);
  return st;
}

static bool ends_in_jpeg(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

int cli_attack(cli *c, const cli_command *self, int argc, char **argv) {
  bool full = false;
  const char *to = NULL, *out = NULL, *other = NULL;
  wk_attack_options o;
  wk_attack_options_init(&o);
  const cli_flag flags[] = {
      {"to", 0, CLI_STRING, &to, "CLASS", "target class: a label, index or WordNet id; default: any other class", 0, 0,
       NULL},
      {"output", 'o', CLI_STRING, &out, "FILE.png", "adversarial picture to write", 0, 0, NULL},
      {"full", 0, CLI_BOOL, &full, NULL,
       "attack the whole photo at its own size, through the resize, instead of what the network sees", 0, 0, NULL},
      {"check-on", 0, CLI_STRING, &other, "MODEL", "also test the result on this model (transfer)", 0, 0, NULL},
      {0}};
  cli_add_options(c, &o, wk_attack_options_table(), NULL);
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the picture goes with -o FILE.png");
  if (ends_in_jpeg(out))
    return cli_usage_error(self, "the picture is a PNG: JPEG would undo the change; call it something.png");
  attack a = {.cli = c};
  wk_error err = {0};
  double start = cli_seconds();
  wk_status st = run(&a, argv[0], argv[1], to, full, out, other, &o, &err);
  int rc = st == WK_OK ? report(&a, out, other, o.target, cli_seconds() - start) : cli_fail(c, &err);
  attack_free(&a);
  return rc;
}
