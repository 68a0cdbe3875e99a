/* ask.c - quick questions to a run's model, answered in the studio's own process: what is in this photo, which learned
 * photos are most like it, and which part of it speaks for a class. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run_rows.h"
#include "studio_parts.h"
#include "whisker/attribution.h"
#include "whisker/embedding_map.h"
#include "whisker/explain_input.h"

enum { TOP = 5, ALIKE = 6, PATH = 40, LARGEST = 1024 };

/* ---- the model --------------------------------------------------------------------------------- */

void wk_studio_drop_model(wk_studio *s) {
  wk_features_free(s->learned);
  free(s->learned_ids);
  wk_model_free(s->model);
  s->learned = NULL;
  s->learned_ids = NULL;
  s->model = NULL;
  s->model_run = 0;
}

/* With model_lock held. */
static wk_status take_model(wk_studio *s, uint64_t run, wk_fault *f) {
  char path[4300];
  if (s->model && s->model_run == (int)run)
    return WK_OK;
  wk_studio_drop_model(s);
  snprintf(path, sizeof path, "%s/runs/%04d/model.whisker", s->project->folder, (int)run);
  if (run < 1 || access(path, R_OK))
    return wk_fault_set(f, 404, "no_run", WK_ERR_NOT_FOUND, "there is no run %llu with a model",
                        (unsigned long long)run);
  const wk_status st = wk_fault_of(f, wk_open(&s->model, s->session, path, &f->error), path);
  if (st == WK_OK)
    s->model_run = (int)run;
  return st;
}

/* What quick questions run under: nobody waits for their progress, and a Ctrl-C ends the studio only after them. */
static wk_context quiet(const wk_studio *s) {
  wk_context ctx = *wk_session_context(s->session);
  ctx.progress = NULL;
  ctx.warn = NULL;
  ctx.cancelled = NULL;
  return ctx;
}

/* ---- what it learned from ---------------------------------------------------------------------- */

/* Where the photos lie that the run learned from, as far as they are still there. */
static wk_status learned_files(char ***files, unsigned char (**sha256)[32], size_t *count, wk_studio *s, wk_fault *f) {
  wk_project *p = s->project;
  wk_run_row *rows = NULL;
  size_t row_count = 0, n = 0;
  wk_status st = wk_studio_run_rows(&rows, &row_count, NULL, p, (uint64_t)s->model_run, f);
  if (st != WK_OK)
    return st;
  *files = calloc(row_count + 1, sizeof **files);
  *sha256 = calloc(row_count + 1, sizeof **sha256);
  s->learned_ids = calloc(row_count + 1, sizeof *s->learned_ids);
  st = *files && *sha256 && s->learned_ids ? WK_OK : wk_fault_memory(f);
  pthread_mutex_lock(&p->lock);
  for (size_t i = 0; st == WK_OK && i < row_count; i++) {
    if (!rows[i].learned || rows[i].id < 1 || rows[i].id > p->photo_count)
      continue;
    const wk_project_photo *photo = &p->photos[rows[i].id - 1];
    if (photo->missing || photo->removed)
      continue;
    if (asprintf(&(*files)[n], "%s/%s", photo->own ? p->folder : p->root, photo->file) < 0) {
      (*files)[n] = NULL;
      st = wk_fault_memory(f);
      break;
    }
    memcpy((*sha256)[n], photo->sha256, 32);
    s->learned_ids[n++] = rows[i].id;
  }
  pthread_mutex_unlock(&p->lock);
  *count = n;
  free(rows);
  return st;
}

static wk_status learned_features(wk_studio *s, wk_fault *f) {
  char **files = NULL;
  unsigned char(*sha256)[32] = NULL;
  size_t count = 0;
  if (s->learned)
    return WK_OK;
  wk_features_options o;
  wk_session_features_options(&o, s->session);
  const wk_context ctx = quiet(s);
  wk_status st = learned_files(&files, &sha256, &count, s, f);
  o.sha256 = (const uint8_t(*)[32])sha256;
  if (st == WK_OK)
    st = wk_fault_of(
        f, wk_features_compute(&s->learned, s->model->backbone, (const char *const *)files, count, &o, &ctx, &f->error),
        NULL);
  for (size_t i = 0; i < count; i++)
    free(files[i]);
  free(files);
  free(sha256);
  return st;
}

static json_t *most_alike(wk_studio *s, const wk_features *photo, wk_fault *f) {
  size_t at[ALIKE];
  float cosine[ALIKE];
  json_t *all = json_array();
  if (learned_features(s, f) != WK_OK || !s->learned->rows)
    return all; /* the answer stands without them */
  const int k = s->learned->rows < ALIKE ? (int)s->learned->rows : ALIKE;
  if (wk_nearest(at, cosine, k, photo->row, s->learned->row, s->learned->rows, s->learned->columns, &f->error) == WK_OK)
    for (int i = 0; i < k; i++)
      json_array_append_new(all, json_pack("{s:I,s:f}", "id", (json_int_t)s->learned_ids[s->learned->index[at[i]]],
                                           "cosine", (double)cosine[i]));
  return all;
}

/* ---- what is in this photo? -------------------------------------------------------------------- */

static int class_number(wk_project *p, const char *label) {
  int found = -1;
  pthread_mutex_lock(&p->lock);
  for (int i = 0; i < p->class_count; i++)
    if (p->classes[i] && !strcmp(p->classes[i], label))
      found = i;
  pthread_mutex_unlock(&p->lock);
  return found;
}

static json_t *best(wk_studio *s, const float *p) {
  const wk_model *m = s->model;
  json_t *top = json_array();
  bool *taken = calloc((size_t)m->label_count + 1, sizeof *taken);
  for (int k = 0; taken && k < TOP && k < m->label_count; k++) {
    int at = -1;
    for (int j = 0; j < m->label_count; j++)
      if (!taken[j] && (at < 0 || p[j] > p[at]))
        at = j;
    taken[at] = true;
    const int number = class_number(s->project, m->labels[at]);
    json_array_append_new(top, json_pack("{s:o,s:o,s:f}", "class", number < 0 ? json_null() : json_integer(number),
                                         "name", wk_json_text(m->labels[at]), "p", (double)p[at]));
  }
  free(taken);
  return top;
}

/* The uploaded bytes as a file that is nowhere: -1: f says why. */
static int as_file(char path[PATH], const wk_request *r, wk_fault *f) {
  const int fd = memfd_create("photo", MFD_CLOEXEC);
  if (fd < 0 || !wk_write_fd(fd, r->body, r->size)) {
    wk_fault_memory(f);
    if (fd >= 0)
      close(fd);
    return -1;
  }
  snprintf(path, PATH, "/proc/self/fd/%d", fd);
  return fd;
}

static double threshold_of(wk_request *r) {
  const char *given = wk_request_query(r, "threshold");
  char *end = NULL;
  const double v = given ? strtod(given, &end) : 0;
  return given && end != given && !*end && v >= 0 && v <= 1 ? v : 0;
}

void wk_route_try(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  uint64_t run;
  char path[PATH];
  float *p = NULL;
  wk_features *features = NULL;
  json_t *answer = NULL;
  if (!wk_request_number(&run, r, "run", 0, 999999))
    return;
  const char *photo = path;
  const wk_context ctx = quiet(s);
  wk_features_options o;
  wk_session_features_options(&o, s->session);
  o.cache_folder = NULL; /* a stranger's photo leaves nothing behind */
  const int fd = as_file(path, r, &f);
  pthread_mutex_lock(&s->model_lock);
  wk_status st = fd < 0 ? WK_ERR_MEMORY : take_model(s, run, &f);
  if (st == WK_OK)
    st = wk_fault_of(&f, wk_model_predict(&p, &features, s->model, &photo, 1, &o, &ctx, &f.error), NULL);
  if (st == WK_OK && !features->rows) {
    const wk_file_type type = wk_file_type_of(r->body, r->size);
    st = wk_fault_set(&f, 422, "not_a_photo", WK_ERR_FORMAT, "this photo cannot be read: it is %s; %s", type.name,
                      type.cure);
  }
  if (st == WK_OK) {
    const double threshold = threshold_of(r);
    json_t *top = best(s, p);
    const double sure = json_number_value(json_object_get(json_array_get(top, 0), "p"));
    answer = json_pack("{s:I,s:o,s:b,s:o}", "run", (json_int_t)run, "top", top, "unsure", sure < threshold, "alike",
                       most_alike(s, features, &f));
  }
  pthread_mutex_unlock(&s->model_lock);
  if (st == WK_OK)
    wk_answer_json(r, 200, answer);
  else
    wk_answer_fault(r, &f);
  wk_free(p);
  wk_features_free(features);
  if (fd >= 0)
    close(fd);
}

/* ---- why? -------------------------------------------------------------------------------------- */

/* The class that is asked about: the page's number, or what the model sees. */
static wk_status choose_class(int *out, wk_studio *s, wk_request *r, const wk_explain_input *view, float *p,
                              const wk_context *ctx, wk_fault *f) {
  const char *given = wk_request_query(r, "class");
  uint64_t number = 0;
  const wk_model *m = s->model;
  wk_status st = wk_fault_of(f, wk_explain_input_predict(p, view, m, ctx, &f->error), NULL);
  if (st != WK_OK)
    return st;
  *out = 0;
  for (int j = 1; j < m->label_count; j++)
    if (p[j] > p[*out])
      *out = j;
  if (!given)
    return WK_OK;
  const bool known = wk_number_of(&number, given, INT32_MAX);
  for (*out = 0; known && *out < m->label_count; ++*out)
    if (class_number(s->project, m->labels[*out]) == (int)number)
      return WK_OK;
  return wk_fault_set(f, 400, "argument", WK_ERR_ARGUMENT, "class is the number of a class that this run knows");
}

static wk_status draw(wk_image *out, json_t **said, wk_studio *s, wk_request *r, const char *path, wk_fault *f) {
  const wk_context ctx = quiet(s);
  wk_explain_input view = {0};
  wk_attribution *map = NULL;
  wk_attribution_region region;
  wk_attribution_options o;
  float *large = NULL, *p = calloc((size_t)s->model->label_count + 1, sizeof *p);
  wk_attribution_options_init(&o);
  wk_status st =
      p ? wk_fault_of(f, wk_explain_input_open(&view, path, &s->model->backbone->preprocess, &f->error), NULL)
        : wk_fault_memory(f);
  if (st == WK_OK)
    st = choose_class(&o.target, s, r, &view, p, &ctx, f);
  if (st == WK_OK)
    st = wk_fault_of(f, wk_attribution_make(&map, s->model, view.input, &o, &ctx, &f->error), NULL);
  if (st == WK_OK)
    st = wk_fault_of(f, wk_attribution_upsample(&large, map, view.seen.height, view.seen.width, &f->error), NULL);
  if (st == WK_OK)
    st = wk_fault_of(f, wk_attribution_region_find(&region, large, &view, &f->error), NULL);
  if (st == WK_OK)
    st = wk_fault_of(f, wk_attribution_draw(out, large, &view, 0, &f->error), NULL);
  if (st == WK_OK)
    *said = json_pack("{s:i,s:f,s:f,s:f,s:s}", "class", class_number(s->project, s->model->labels[o.target]), "p",
                      (double)p[o.target], "share", region.share, "area", region.area, "place", region.place);
  free(p);
  wk_free(large);
  wk_attribution_free(map);
  wk_explain_input_free(&view);
  return st;
}

static void answer_why(wk_studio *s, wk_request *r, const char *path) {
  wk_fault f;
  wk_image picture = {0};
  json_t *said = NULL;
  char *bytes = NULL;
  size_t size = 0;
  uint64_t run;
  if (!wk_request_number(&run, r, "run", 0, 999999))
    return;
  pthread_mutex_lock(&s->model_lock);
  wk_status st = take_model(s, run, &f);
  if (st == WK_OK)
    st = draw(&picture, &said, s, r, path, &f);
  pthread_mutex_unlock(&s->model_lock);
  if (st == WK_OK)
    st = wk_picture_jpeg(&bytes, &size, &picture, LARGEST, 90, &f);
  if (st == WK_OK)
    wk_answer_bytes(r, "image/jpeg", bytes, size, NULL);
  else
    wk_answer_fault(r, &f);
  char *text = said ? json_dumps(said, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
  if (text)
    wk_answer_header(r, "X-Whisker", text);
  free(text);
  json_decref(said);
  wk_image_free(&picture);
}

void wk_route_why(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  char path[PATH];
  uint64_t id;
  if (!wk_request_number(&id, r, "photo", 0, UINT32_MAX))
    return;
  pthread_mutex_lock(&s->project->lock);
  const int fd = wk_project_photo_fd(s->project, id, &f);
  pthread_mutex_unlock(&s->project->lock);
  if (fd < 0) {
    wk_answer_fault(r, &f);
    return;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  answer_why(s, r, path);
  close(fd);
}

void wk_route_why_upload(void *user, wk_request *r) {
  wk_fault f;
  char path[PATH];
  const int fd = as_file(path, r, &f);
  if (fd < 0) {
    wk_answer_fault(r, &f);
    return;
  }
  answer_why(user, r, path);
  close(fd);
}
