/* job_routes.c - jobs as the page asks for them: what they work on is written down here, by number and name, and
 * nothing of it is a path that came from the page. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "photo_list.h"
#include "studio_parts.h"

enum { MOST_FILE = 1 << 30 };

int wk_studio_last_number(const wk_project *p, const char *folder) {
  int last = 0;
  const int fd = openat(p->folder_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  for (const struct dirent *e; d && (e = readdir(d));) {
    uint64_t n;
    if (wk_number_of(&n, e->d_name, 999999) && (int)n > last)
      last = (int)n;
  }
  if (d)
    closedir(d);
  return last;
}

/* ---- what a job is given ----------------------------------------------------------------------- */

static json_t *photo_path(const wk_project *p, const wk_project_photo *photo) {
  char path[8192];
  if (snprintf(path, sizeof path, "%s/%s", photo->own ? p->folder : p->root, photo->file) >= (int)sizeof path)
    return NULL;
  return json_string(path);
}

/* With the lock held: the photos that are there, by number, file, class and part. A name that is no UTF-8 cannot be
 * written as JSON, and is left out. */
static bool add_photos(json_t *what, wk_project *p) {
  json_t *ids = json_array(), *files = json_array(), *labels = json_array(), *parts = json_array(),
         *classes = json_array();
  bool fine = ids && files && labels && parts && classes;
  for (size_t i = 0; fine && i < p->photo_count; i++) {
    const wk_project_photo *photo = &p->photos[i];
    wk_fault ignored;
    if (photo->removed || photo->missing || photo->found & WK_FLAG_BROKEN)
      continue;
    const int fd = wk_project_photo_fd(p, i + 1, &ignored);
    json_t *path = fd < 0 ? NULL : photo_path(p, photo);
    if (fd >= 0)
      close(fd);
    if (!path)
      continue;
    fine = !json_array_append_new(files, path) && !json_array_append_new(ids, json_integer((json_int_t)i + 1)) &&
           !json_array_append_new(labels, photo->label < 0 ? json_null() : json_integer(photo->label)) &&
           !json_array_append_new(parts, json_integer(photo->part));
  }
  for (int i = 0; fine && i < p->class_count; i++)
    fine = !json_array_append_new(classes, wk_json_text(p->classes[i]));
  return !json_object_set_new(what, "id", ids) && !json_object_set_new(what, "file", files) &&
         !json_object_set_new(what, "class", labels) && !json_object_set_new(what, "part", parts) &&
         !json_object_set_new(what, "classes", classes) && fine;
}

/* options.run: the model that is asked. */
static wk_status add_model(json_t *what, const wk_project *p, const json_t *options, wk_fault *f) {
  const json_int_t run = json_integer_value(json_object_get(options, "run"));
  char path[4400];
  snprintf(path, sizeof path, "%s/runs/%04d/model.whisker", p->folder, (int)run);
  if (run < 1 || run > 999999 || access(path, R_OK))
    return wk_fault_set(f, 404, "no_run", WK_ERR_NOT_FOUND, "there is no run %lld with a model", (long long)run);
  return json_object_set_new(what, "model", json_string(path)) ? wk_fault_memory(f) : WK_OK;
}

/* options.class, a number of the project's: its name, which the model knows it by. */
static wk_status add_class(json_t *what, const wk_project *p, const json_t *options, bool needed, wk_fault *f) {
  const json_t *label = json_object_get(options, "class");
  if (!needed && (!label || json_is_null(label)))
    return WK_OK;
  const json_int_t at = json_is_integer(label) ? json_integer_value(label) : -1;
  if (at < 0 || at >= p->class_count || !p->classes[at])
    return wk_fault_set(f, 400, "argument", WK_ERR_ARGUMENT, "class is the number of a class");
  return json_object_set_new(what, "class_name", wk_json_text(p->classes[at])) ? wk_fault_memory(f) : WK_OK;
}

static wk_status add_photo(json_t *what, wk_project *p, const json_t *options, wk_fault *f) {
  const uint64_t id = (uint64_t)json_integer_value(json_object_get(options, "photo"));
  const int fd = wk_project_photo_fd(p, id, f);
  if (fd < 0)
    return WK_ERR_NOT_FOUND;
  close(fd);
  return json_object_set_new(what, "photo", photo_path(p, &p->photos[id - 1])) ? wk_fault_memory(f) : WK_OK;
}

typedef struct kind_row {
  const char *name;
  bool photos, model, label, label_needed, photo;
} kind_row;

static const kind_row kinds[] = {{.name = "train", .photos = true},
                                 {.name = "check", .photos = true},
                                 {.name = "map", .photos = true, .model = true},
                                 {.name = "ideal", .model = true, .label = true, .label_needed = true},
                                 {.name = "attack", .model = true, .label = true, .photo = true},
                                 {.name = "export", .model = true}};

/* A network by its name; the page names no files. Without: the studio's own. */
static wk_status add_backbone(json_t *what, const wk_studio *s, const json_t *options, wk_fault *f) {
  const json_t *given = json_object_get(options, "backbone");
  const char *name = json_string_value(given);
  if (given && (!name || !wk_arch_find(name)))
    return wk_fault_set(f, 400, "argument", WK_ERR_ARGUMENT, "backbone is the name of a pretrained network");
  name = name ? name : s->backbone;
  return name && json_object_set_new(what, "backbone", wk_json_text(name)) ? wk_fault_memory(f) : WK_OK;
}

static wk_status describe(json_t **out, const wk_studio *s, const kind_row *kind, json_t *options, wk_fault *f) {
  wk_project *p = s->project;
  json_t *what = json_pack("{s:s,s:O}", "kind", kind->name, "options", options);
  wk_status st = what ? WK_OK : wk_fault_memory(f);
  if (st == WK_OK && kind->model)
    st = add_model(what, p, options, f);
  if (st == WK_OK && kind->label)
    st = add_class(what, p, options, kind->label_needed, f);
  if (st == WK_OK && kind->photo)
    st = add_photo(what, p, options, f);
  if (st == WK_OK && kind->photos && !kind->model)
    st = add_backbone(what, s, options, f);
  if (st == WK_OK && kind->photos && !add_photos(what, p))
    st = wk_fault_memory(f);
  if (st == WK_OK)
    *out = what;
  else
    json_decref(what);
  return st;
}

void wk_route_jobs_add(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  const char *name = json_string_value(json_object_get(r->json, "kind"));
  json_t *given = json_object_get(r->json, "options"), *options = given ? json_incref(given) : json_object(),
         *what = NULL;
  uint64_t id = 0;
  size_t i = 0;
  int run = 0;
  while (name && i < sizeof kinds / sizeof *kinds && strcmp(name, kinds[i].name))
    i++;
  wk_status st = WK_OK;
  if (!name || i == sizeof kinds / sizeof *kinds || !json_is_object(options))
    st = wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT,
                      "kind is one of train, check, map, ideal, attack, export, and options an object");
  else if (!s->jobs.program)
    st = wk_fault_set(&f, 422, "unsupported", WK_ERR_UNSUPPORTED,
                      "this studio was opened without a program to run jobs with");
  pthread_mutex_lock(&s->project->lock);
  if (st == WK_OK)
    st = describe(&what, s, &kinds[i], options, &f);
  if (st == WK_OK && !strcmp(name, "train"))
    run = ++s->last_run;
  pthread_mutex_unlock(&s->project->lock);
  json_decref(options);
  if (st == WK_OK)
    st = wk_jobs_add(&s->jobs, &id, kinds[i].name, run, what, &f);
  if (st == WK_OK)
    wk_answer_json(r, 202, json_pack("{s:I,s:o}", "job", (json_int_t)id, "run", run ? json_integer(run) : json_null()));
  else
    wk_answer_fault(r, &f);
}

void wk_route_job_cancel(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  uint64_t id;
  if (!wk_number_of(&id, r->rest, INT32_MAX))
    id = 0;
  if (wk_jobs_cancel(&s->jobs, id, &f) == WK_OK)
    wk_answer_json(r, 202, json_pack("{s:I}", "job", (json_int_t)id));
  else
    wk_answer_fault(r, &f);
}

/* ---- what came of it --------------------------------------------------------------------------- */

json_t *wk_studio_json_file(const wk_project *p, const char *name) {
  const int fd = openat(p->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  json_t *json = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
  if (fd >= 0)
    close(fd);
  return json;
}

/* A file that the job made: letters, digits and dashes, an ending, and no folder. */
static bool name_is_plain(const char *name) {
  if (!isalnum((unsigned char)*name) || strlen(name) > 60)
    return false;
  for (; *name; name++)
    if (!isalnum((unsigned char)*name) && !strchr(".-_", *name))
      return false;
  return true;
}

static void answer_file(wk_studio *s, wk_request *r, const char *folder, const char *name) {
  char path[128], *bytes = NULL;
  size_t size = 0;
  wk_fault f;
  const char *ending = strrchr(name, '.');
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int fd = name_is_plain(name) ? openat(s->project->folder_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  wk_status st = fd < 0 ? wk_fault_set(&f, 404, "not_found", WK_ERR_NOT_FOUND, "the job made no such file") : WK_OK;
  if (st == WK_OK)
    st = wk_read_fd(&bytes, &size, fd, MOST_FILE, path, &f);
  if (fd >= 0)
    close(fd);
  const bool picture = ending && !strcmp(ending, ".png");
  if (st == WK_OK)
    wk_answer_bytes(r, picture ? "image/png" : "application/octet-stream", bytes, size, picture ? NULL : name);
  else
    wk_answer_fault(r, &f);
}

/* /jobs/3 and /jobs/3/files/attack.png */
void wk_route_job(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  char folder[32], path[64];
  uint64_t id;
  const char *more = wk_request_leading_number(&id, r, INT32_MAX);
  if (*more && strncmp(more, "/files/", 7))
    id = 0;
  json_t *job = wk_jobs_one(&s->jobs, id, folder, &f);
  if (!job) {
    wk_answer_fault(r, &f);
    return;
  }
  if (*more) {
    json_decref(job);
    answer_file(s, r, folder, more + 7);
    return;
  }
  snprintf(path, sizeof path, "%s/result.json", folder);
  json_t *result =
      !strcmp(json_string_value(json_object_get(job, "state")), "done") ? wk_studio_json_file(s->project, path) : NULL;
  json_object_set_new(job, "result", result ? result : json_null());
  wk_answer_json(r, 200, job);
}
