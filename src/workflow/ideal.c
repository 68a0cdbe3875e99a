/* ideal.c - wk_ideal: pictures of what the network takes for the purest example of a class. Several classes go side by
 * side, a few at a time: what is finished is on disk when something stops the run. */
#include <string.h>

#include "explain/option_tables.h"
#include "whisker/clock.h"
#include "workflow/explaining.h"

static const wk_option option_rows[] = {
    {.name = "class",
     WK_ROW_TEXT(wk_ideal_options, classes),
     .placeholder = "C,C,...",
     .help = "comma-separated classes: labels, indices, WordNet ids, or \"any KIND\" (any cat); all: every class"},
    {.name = "animate",
     WK_ROW_TEXT(wk_ideal_options, film),
     .placeholder = "FILE.webp",
     .help = "also write the steps as an animation"},
    {.name = "from",
     WK_ROW_TEXT(wk_ideal_options, from),
     .placeholder = "PHOTO",
     .help = "robust: start from a photo instead of noise"},
    {WK_ROW_PART(wk_ideal_options, visualize, &wk_visualize_table)},
    {0}};

static bool is_webp(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && !strcmp(dot, ".webp");
}

static wk_status check(const void *options, wk_error *err) {
  const wk_ideal_options *o = options;
  if (!o->classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an ideal picture needs a class");
  if (o->from && o->visualize.method == WK_VISUALIZE_PLAIN)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the plain method starts from noise: a photo to start from goes with robust");
  if (o->film && !is_webp(o->film))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: the film is an animated WebP: call it something.webp", o->film);
  return WK_OK;
}

static const wk_option_table option_table = {"ideal_options", sizeof(wk_ideal_options), option_rows, check};
const wk_option_table *wk_ideal_options_table(void) { return &option_table; }

void wk_ideal_options_init(wk_ideal_options *o) { wk_options_init(o, &option_table); }

void wk_ideal_options_from(wk_ideal_options *o, const char *photo) {
  o->from = photo;
  o->visualize.octaves = 1;  /* the photo is in the finest */
  o->visualize.rate = 0.002; /* at the rate for noise nothing of it would be left */
}

wk_status wk_ideal_options_validate(const wk_ideal_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

typedef struct ideal_job {
  wk_call call;
  const wk_model *model;
  const wk_ideal_options *o;
  wk_visualize_options visualize;
  const char *path;
  void (*on_picture)(void *user, const wk_ideal_picture *picture);
  void *user;
  wk_diff_classifier *classifier;
  uint8_t *from; /* pixels of the photo; NULL: noise */
  int *target;   /* classes */
  int count;
  bool several; /* classes: each file gets the class in its name */
  wk_ideal_report *report;
} ideal_job;

/* ---- names of files ---------------------------------------------------------------------------- */

/* "x.png" is "x-284.png" where there are several classes; an `ending` such as "-steps" goes before the dot. */
static char *name_file(const ideal_job *j, const char *name, int class, const char *ending) {
  char number[16] = "", all[32];
  if (j->several)
    snprintf(number, sizeof number, "-%d", class);
  snprintf(all, sizeof all, "%s%s", number, ending);
  return wk_output_beside(name, all);
}

/* Names that nobody gave may not be those of somebody's own files. */
static wk_status check_names(const ideal_job *j, wk_error *err) {
  wk_status st = WK_OK;
  for (int i = 0; i < j->count && st == WK_OK; i++)
    for (int steps = !j->several; steps < 2 && st == WK_OK; steps++) {
      char *path = name_file(j, j->path, j->target[i], steps ? "-steps" : "");
      st = path ? wk_output_check_own(path, "whisker", err) : wk_no_memory(err);
      wk_free(path);
    }
  return st;
}

/* ---- classes ----------------------------------------------------------------------------------- */

/* "cat,dog", "284" or "all" into j->target. */
static wk_status find_classes(ideal_job *j, const char *classes, wk_error *err) {
  const int labels = j->model->label_count;
  int one, kind;
  if (!labels)
    return wk_model_class(&one, j->model, classes, err); /* says that there are none */
  size_t names = 1;
  for (const char *p = classes; *p; p++)
    names += *p == ',';
  if (!(j->target = wk_alloc_array(names * (size_t)labels, sizeof *j->target))) /* each may be a kind of things */
    return wk_no_memory(err);
  if (!strcmp(classes, "all")) {
    for (; j->count < labels; j->count++)
      j->target[j->count] = j->count;
    j->several = labels > 1;
    return WK_OK;
  }
  /* A label may hold a comma itself. */
  if (wk_model_class(&one, j->model, classes, err) == WK_OK) {
    j->target[j->count++] = one;
    return WK_OK;
  }
  char *list = wk_strdup(classes), *rest = list;
  if (!list)
    return wk_no_memory(err);
  wk_status st = WK_OK;
  for (char *name; st == WK_OK && (name = strsep(&rest, ","));)
    if (*name && (st = wk_model_kind(j->target + j->count, &kind, j->model, name, err)) == WK_OK) {
      j->count += kind;
      if (!kind && (st = wk_model_class(&one, j->model, name, err)) == WK_OK)
        j->target[j->count++] = one;
    }
  wk_free(list);
  j->several = j->count > 1;
  return st == WK_OK && !j->count ? WK_FAIL(err, WK_ERR_ARGUMENT, "no class is named") : st;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* Up to eight of the pictures on the way, and the result last, with their steps. */
static wk_status save_steps(const ideal_job *j, const wk_visualization *i, int class, const char *path, wk_error *err) {
  enum { MOST = 8 };
  wk_image picture[MOST + 1], sheet;
  char text[MOST + 1][64], title[700], subtitle[300];
  const char *label[MOST + 1];
  int kept = i->snapshot_count; /* the last may be the result itself */
  kept -= kept && i->snapshot_step[kept - 1] == i->step;
  int n = kept < MOST ? kept : MOST;
  for (int k = 0; k <= n; k++) {
    int from = n > 1 ? k * (kept - 1) / (n - 1) : 0;
    picture[k] = k < n ? i->snapshots[from] : i->image;
    if (k < n)
      snprintf(text[k], sizeof text[k], "step %d, p %.2f", i->snapshot_step[from], i->snapshot_p[from]);
    else
      snprintf(text[k], sizeof text[k], "%s: step %d, p %.3f", i->step < i->steps ? "the best" : "result", i->step,
               i->p);
    label[k] = text[k];
  }
  snprintf(title, sizeof title, "The network's ideal picture of %.600s, step by step", j->model->labels[class]);
  snprintf(
      subtitle, sizeof subtitle, "%s, %s method, %d steps: the last picture is this class to it with probability %.3f",
      j->model->backbone->arch->name, j->visualize.method == WK_VISUALIZE_PLAIN ? "plain" : "robust", i->steps, i->p);
  wk_sheet s;
  wk_sheet_init(&s);
  s.frame = (wk_frame){
      .title = title,
      .subtitle = subtitle,
      .note =
          "From noise, every step changes the pixels a little so that the network is surer of the class. What grows "
          "is what it looks for."};
  s.cell_width = s.cell_height = 200;
  WK_RETURN_IF_ERROR(wk_sheet_draw(&sheet, picture, label, n + 1, &s, err));
  wk_status st = wk_image_save_png(&sheet, path, err);
  wk_image_free(&sheet);
  return st;
}

/* Takes the losses. */
static wk_status save(ideal_job *j, wk_visualization *ideal, int class, double seconds, wk_error *err) {
  wk_ideal_picture *p = &j->report->pictures[j->report->count++];
  *p = (wk_ideal_picture){.label = wk_strdup(j->model->labels[class]),
                          .index = class,
                          .out = name_file(j, j->path, class, ""),
                          .contact_sheet = name_file(j, j->path, class, "-steps"),
                          .film = j->o->film ? name_file(j, j->o->film, class, "") : NULL,
                          .p = ideal->p,
                          .step = ideal->step,
                          .steps = ideal->steps,
                          .losses = ideal->losses,
                          .seconds = seconds};
  ideal->losses = NULL;
  if (!p->label || !p->out || !p->contact_sheet || (j->o->film && !p->film))
    return wk_no_memory(err);
  WK_RETURN_IF_ERROR(wk_image_save_png(&ideal->image, p->out, err));
  WK_RETURN_IF_ERROR(save_steps(j, ideal, class, p->contact_sheet, err));
  if (p->film)
    WK_RETURN_IF_ERROR(wk_image_save_film(ideal->snapshots, ideal->snapshot_count, 80, p->film, err));
  if (j->on_picture)
    j->on_picture(j->user, p);
  return WK_OK;
}

static wk_status make_all(ideal_job *j, wk_error *err) {
  enum { AT_ONCE = 16 };
  const wk_preprocess *p = &j->model->backbone->preprocess;
  wk_status st = WK_OK;
  for (int first = 0; first < j->count && st == WK_OK; first += AT_ONCE) {
    wk_visualization *ideal[AT_ONCE] = {NULL};
    int n = j->count - first < AT_ONCE ? j->count - first : AT_ONCE;
    double start = wk_clock_seconds();
    if (j->several) {
      st = wk_visualize_classes(ideal, j->classifier, p, &j->visualize, j->target + first, n, &j->call.ctx, err);
    } else {
      j->visualize.target = j->target[0];
      st = wk_visualize_class(ideal, j->classifier, p, &j->visualize, &j->call.ctx, err);
    }
    for (int i = 0; i < n; i++) {
      if (st == WK_OK)
        st = save(j, ideal[i], j->target[first + i], (wk_clock_seconds() - start) / n, err);
      wk_visualization_free(ideal[i]);
    }
  }
  return st;
}

static wk_status open_classifier(ideal_job *j, wk_error *err) {
  wk_diff_classifier_options o;
  wk_diff_classifier_options_init(&o);
  /* Threads take windows or classes; only the plain method's single picture has nothing but layers to share. */
  o.threads = j->visualize.method == WK_VISUALIZE_PLAIN && !j->several ? wk_context_threads(&j->call.ctx) : 1;
  return wk_diff_classifier_create(&j->classifier, j->model, &o, err);
}

static wk_status load_photo(ideal_job *j, const char *photo, wk_error *err) {
  wk_image image, seen;
  WK_RETURN_IF_ERROR(wk_photo_load(&image, photo, NULL, err));
  wk_status st = wk_preprocess_pixels(&seen, &image, &j->model->backbone->preprocess, err);
  wk_image_free(&image);
  if (st != WK_OK)
    return st;
  size_t bytes = (size_t)seen.width * (size_t)seen.height * 3;
  if ((j->from = wk_alloc(bytes)))
    memcpy(j->from, seen.pixels, bytes);
  wk_image_free(&seen);
  j->visualize.from = j->from;
  return j->from ? WK_OK : wk_no_memory(err);
}

/* ---- the call ---------------------------------------------------------------------------------- */

wk_status wk_ideal(wk_ideal_report **out, wk_session *s, const wk_model *m, const char *path,
                   const wk_ideal_options *options, void (*on_picture)(void *user, const wk_ideal_picture *picture),
                   void *user, wk_error *err) {
  WK_NEED(err, out, s, m, path);
  wk_status st = WK_OK;
  wk_ideal_options o;
  wk_ideal_options_init(&o);
  if (options)
    o = *options;
  ideal_job j = {.model = m, .o = &o, .visualize = o.visualize, .path = path, .on_picture = on_picture, .user = user};
  WK_RETURN_IF_ERROR(wk_ideal_options_validate(&o, err));
  wk_call_begin(&j.call, s);
  j.visualize.seed = j.call.ctx.seed;
  if (o.film) {
    j.visualize.snapshots = 48;
    j.visualize.even_snapshots = true;
  }
  WK_TRY(wk_output_check(path, false, err));
  if (o.film)
    WK_TRY(wk_output_check(o.film, false, err));
  WK_TRY(find_classes(&j, o.classes, err));
  WK_TRY(check_names(&j, err));
  j.report = wk_calloc(1, sizeof *j.report);
  WK_FAIL_IF(!j.report || !(j.report->pictures = wk_calloc((size_t)j.count, sizeof *j.report->pictures)), err,
             WK_ERR_MEMORY, "out of memory");
  if (o.from)
    WK_TRY(load_photo(&j, o.from, err));
  WK_TRY(open_classifier(&j, err));
  WK_TRY(make_all(&j, err));
  WK_TRY(wk_call_take_warnings(&j.report->warnings, &j.call, err));
  *out = j.report;
  j.report = NULL;
done:
  wk_ideal_report_free(j.report);
  wk_free(j.target);
  wk_free(j.from);
  wk_diff_classifier_free(j.classifier);
  wk_call_end(&j.call);
  return st;
}

void wk_ideal_report_free(wk_ideal_report *r) {
  if (!r)
    return;
  for (int i = 0; i < r->count; i++) {
    wk_ideal_picture *p = &r->pictures[i];
    wk_free(p->label);
    wk_free(p->out);
    wk_free(p->contact_sheet);
    wk_free(p->film);
    wk_free(p->losses);
  }
  wk_free(r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

static json_t *picture_json(const wk_ideal_picture *p) {
  json_t *losses = json_array();
  for (int i = 0; i < p->steps; i++)
    json_array_append_new(losses, wk_report_number(p->losses[i]));
  return json_pack("{s:o,s:i,s:o,s:f,s:i,s:i,s:o,s:o,s:o,s:f}", "class", wk_report_text(p->label), "index", p->index,
                   "out", wk_report_text(p->out), "p", p->p, "step", p->step, "steps", p->steps, "losses", losses,
                   "contact_sheet", wk_report_text(p->contact_sheet), "film", wk_report_text(p->film), "seconds",
                   p->seconds);
}

/* The first picture's values, and all of them in `images`. */
char *wk_ideal_report_json(const wk_ideal_report *r) {
  json_t *images = json_array();
  for (int i = 0; i < r->count; i++)
    json_array_append_new(images, picture_json(&r->pictures[i]));
  json_t *first = json_array_get(images, 0), *all = first ? json_copy(first) : json_object();
  json_object_set_new(all, "images", images);
  return wk_report_print(all);
}
