/* studio.c - opening, serving and closing a studio, and what the page asks for first: see whisker/studio.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "studio_parts.h"

static const wk_option option_rows[] = {
    {.name = "project",
     WK_ROW_TEXT(wk_studio_options, project),
     .placeholder = "FOLDER",
     .help = "where the project lies or is made; default: beside the photos, with .studio behind its name"},
    {.name = "backbone",
     .letter = 'b',
     WK_ROW_TEXT(wk_studio_options, backbone),
     .placeholder = "NAME|FILE",
     .help = "the pretrained network that trainings begin with; default: theirs"},
    {.name = "port",
     WK_ROW_INT(wk_studio_options, port),
     .min = 0,
     .max = 65535,
     .placeholder = "N",
     .automatic = "any that is free",
     .help = "port of the page"},
    {0}};
static const wk_option_table option_table = {"studio_options", sizeof(wk_studio_options), option_rows, NULL};

const wk_option_table *wk_studio_options_table(void) { return &option_table; }
void wk_studio_options_init(wk_studio_options *o) { wk_options_init(o, &option_table); }
wk_status wk_studio_options_validate(const wk_studio_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

/* ---- state ------------------------------------------------------------------------------------- */

static json_t *classes_json(const wk_project *p) {
  json_t *all = json_array();
  size_t *count = calloc((size_t)p->class_count + 1, sizeof *count);
  for (size_t i = 0; count && i < p->photo_count; i++)
    if (!p->photos[i].removed && p->photos[i].label >= 0)
      count[p->photos[i].label]++;
  for (int i = 0; count && i < p->class_count; i++)
    json_array_append_new(all, json_pack("{s:i,s:o,s:I}", "class", i, "name", wk_json_text(p->classes[i]), "photos",
                                         (json_int_t)count[i]));
  free(count);
  return all;
}

static json_t *project_json(const wk_project *p) {
  size_t shown = 0, missing = 0, unlabelled = 0;
  for (size_t i = 0; i < p->photo_count; i++) {
    const wk_project_photo *photo = &p->photos[i];
    shown += !photo->removed;
    missing += !photo->removed && photo->missing;
    unlabelled += !photo->removed && photo->label < 0;
  }
  const bool lost = p->root && p->root_fd<0, undo = p->done> 0, redo = p->done < p->step_count;
  return json_pack("{s:o,s:o,s:o,s:b,s:I,s:I,s:I,s:I,s:o,s:I,s:b,s:b}", "name", wk_json_text(p->name), "folder",
                   wk_json_text(p->folder), "root", wk_json_text(p->root), "root_missing", lost, "photos",
                   (json_int_t)shown, "ids", (json_int_t)p->photo_count, "missing", (json_int_t)missing, "unlabelled",
                   (json_int_t)unlabelled, "classes", classes_json(p), "rev", (json_int_t)p->rev, "undo", undo, "redo",
                   redo);
}

static void route_state(void *user, wk_request *r) {
  wk_studio *s = user;
  const uint64_t last =
      wk_events_last(&s->events); /* before the rest: what happens in between is told twice rather than never */
  pthread_mutex_lock(&s->project->lock);
  json_t *project = project_json(s->project);
  pthread_mutex_unlock(&s->project->lock);
  wk_answer_json(r, 200,
                 json_pack("{s:s,s:I,s:o,s:o}", "version", wk_version(), "event", (json_int_t)last, "project", project,
                           "jobs", wk_jobs_json(&s->jobs)));
}

static void route_login(void *user, wk_request *r) {
  (void)user;
  wk_server_login(r);
}

/* ---- events ------------------------------------------------------------------------------------ */

enum { COMMENT_SECONDS = 15, LONGEST_EVENT = 1 << 20 };

typedef struct listener {
  wk_events *events;
  uint64_t after;
  int socket, quiet; /* seconds since something was sent */
  char *rest;        /* of an event that did not fit */
  size_t at;
} listener;

static ssize_t listen_on(void *user, uint64_t position, char *out, size_t room) {
  listener *l = user;
  (void)position;
  while (!l->rest) {
    if (!wk_events_wait(l->events, &l->after, &l->rest, 1000) || wk_request_gone(l->socket))
      return -1;
    if (!l->rest && ++l->quiet >= COMMENT_SECONDS)
      l->rest = strdup(":\n\n");
  }
  l->quiet = 0;
  size_t n = strlen(l->rest + l->at);
  n = n < room ? n : room;
  memcpy(out, l->rest + l->at, n);
  l->at += n;
  if (!l->rest[l->at]) {
    free(l->rest);
    l->rest = NULL;
    l->at = 0;
  }
  return (ssize_t)n;
}

static void stop_listening(void *user) {
  listener *l = user;
  free(l->rest);
  free(l);
}

static void route_events(void *user, wk_request *r) {
  wk_studio *s = user;
  const char *header = wk_request_header(r, "Last-Event-ID");
  uint64_t after;
  if (!wk_request_number(&after, r, "after", wk_events_last(&s->events), INT64_MAX))
    return;
  if (header)
    wk_number_of(&after, header, INT64_MAX);
  listener *l = calloc(1, sizeof *l);
  if (!l) {
    wk_answer_json(r, 500, NULL);
    return;
  }
  *l = (listener){
      .events = &s->events, .after = after, .socket = wk_request_socket(r), .rest = strdup("retry: 1000\n\n")};
  wk_answer_stream(r, "text/event-stream", listen_on, l, stop_listening);
}

static const wk_route routes[] = {{WK_POST, "/login", WK_BODY_JSON, true, route_login},
                                  {WK_GET, "/state", WK_BODY_NONE, false, route_state},
                                  {WK_GET, "/events", WK_BODY_NONE, false, route_events},
                                  {WK_GET, "/photos", WK_BODY_NONE, false, wk_route_photos},
                                  {WK_GET, "/photo/", WK_BODY_NONE, false, wk_route_photo},
                                  {WK_PUT, "/photo", WK_BODY_IMAGE, false, wk_route_upload},
                                  {WK_GET, "/thumbs/96/", WK_BODY_NONE, false, wk_route_thumbs},
                                  {WK_POST, "/edits", WK_BODY_JSON, false, wk_route_edits},
                                  {WK_POST, "/undo", WK_BODY_JSON, false, wk_route_undo},
                                  {WK_POST, "/redo", WK_BODY_JSON, false, wk_route_redo},
                                  {WK_POST, "/jobs", WK_BODY_JSON, false, wk_route_jobs_add},
                                  {WK_GET, "/jobs/", WK_BODY_NONE, false, wk_route_job},
                                  {WK_DELETE, "/jobs/", WK_BODY_NONE, false, wk_route_job_cancel},
                                  {WK_GET, "/check", WK_BODY_NONE, false, wk_route_check},
                                  {WK_GET, "/runs", WK_BODY_NONE, false, wk_route_runs},
                                  {WK_GET, "/runs/", WK_BODY_NONE, false, wk_route_run},
                                  {WK_GET, "/compare", WK_BODY_NONE, false, wk_route_compare},
                                  {WK_POST, "/try", WK_BODY_IMAGE, false, wk_route_try},
                                  {WK_GET, "/why", WK_BODY_NONE, false, wk_route_why},
                                  {WK_POST, "/why", WK_BODY_IMAGE, false, wk_route_why_upload},
                                  {0}};

/* ---- life -------------------------------------------------------------------------------------- */

/* Which folder is the project, and which has the photos (NULL: none): both to be freed. */
static wk_status find_folders(char **project, char **photos, const wk_studio_options *o, wk_fault *f) {
  const char *folder = o->folder ? o->folder : "whisker-studio";
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/')
    n--;
  struct stat info;
  const bool there = stat(folder, &info) == 0;
  *photos = NULL;
  if (o->folder && !there)
    return wk_fault_io(f, folder, "opened");
  const bool is_project = !o->project && (!o->folder || wk_project_is(folder));
  if (is_project)
    *project = strndup(folder, n);
  else if (o->project)
    *project = strdup(o->project);
  else if (asprintf(project, "%.*s.studio", (int)n, folder) < 0)
    *project = NULL;
  if (!is_project && o->folder)
    *photos = strndup(folder, n);
  return *project && (*photos || is_project || !o->folder) ? WK_OK : wk_fault_memory(f);
}

/* Hashes of all photos, without haste: by these a photo is known again when it was moved, and its features are found.
 */
static void *hash_photos(void *user) {
  wk_studio *s = user;
  wk_project *p = s->project;
  static const unsigned char unknown[32];
  for (size_t i = 0; !s->over; i++) {
    unsigned char sha256[32];
    wk_fault f;
    pthread_mutex_lock(&p->lock);
    const bool end = i >= p->photo_count,
               wanted = !end && !p->photos[i].missing && !memcmp(p->photos[i].sha256, unknown, 32);
    pthread_mutex_unlock(&p->lock);
    if (end)
      break;
    if (wanted && wk_project_hash(p, i + 1, sha256, &f) == WK_OK) {
      pthread_mutex_lock(&p->lock);
      memcpy(p->photos[i].sha256, sha256, 32);
      p->unsaved = true;
      pthread_mutex_unlock(&p->lock);
    }
  }
  return NULL;
}

static wk_status begin_work(wk_studio *s, const wk_studio_options *o, wk_fault *f) {
  const wk_context *ctx = wk_session_context(s->session);
  mkdirat(s->project->folder_fd, "jobs", 0700);
  if (o->backbone && !(s->backbone = strdup(o->backbone)))
    return wk_fault_memory(f);
  s->last_run = wk_studio_last_number(s->project, "runs");
  wk_studio_read_findings(s);
  wk_studio_read_answers(s);
  static char *const nothing[] = {NULL};
  s->jobs = (wk_jobs){.project = s->project,
                      .events = &s->events,
                      .program = o->program,
                      .environment = o->environment ? o->environment : nothing,
                      .threads = ctx->threads,
                      .seed = ctx->seed,
                      .first = (uint64_t)wk_studio_last_number(s->project, "jobs") + 1,
                      .ended = wk_studio_job_ended,
                      .user = s};
  s->hashes = !pthread_create(&s->hashing, NULL, hash_photos, s);
  return wk_jobs_open(&s->jobs, f);
}

wk_status wk_studio_open(wk_studio **out, wk_session *session, const wk_studio_options *o, wk_error *err) {
  wk_fault f = {0};
  char *project = NULL, *photos = NULL;
  wk_status st = wk_studio_options_validate(o, err);
  if (st != WK_OK)
    return st;
  wk_studio *s = calloc(1, sizeof *s);
  if (!s) {
    st = wk_fault_memory(&f);
    goto done;
  }
  s->session = session;
  pthread_mutex_init(&s->model_lock, NULL);
  st = wk_events_open(&s->events, &f);
  if (st == WK_OK)
    st = find_folders(&project, &photos, o, &f);
  if (st == WK_OK)
    st = wk_project_open(&s->project, project, photos, &f);
  if (st == WK_OK)
    st = begin_work(s, o, &f);
  if (st == WK_OK)
    st = wk_server_start(
        &s->server, &(wk_server_options){.port = o->port, .routes = routes, .files = wk_page_files, .user = s}, &f);
  if (st == WK_OK) {
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/#token=%s", wk_server_port(s->server),
             wk_server_token(s->server));
    *out = s;
    s = NULL;
  }
done:
  if (st != WK_OK && err)
    *err = f.error;
  free(project);
  free(photos);
  wk_studio_close(s);
  return st;
}

const char *wk_studio_url(const wk_studio *s) { return s->url; }
const char *wk_studio_project(const wk_studio *s) { return s->project->folder; }

void wk_studio_serve(wk_studio *s) {
  const wk_context *ctx = wk_session_context(s->session);
  while (!ctx->cancelled || !ctx->cancelled(ctx->user))
    poll(NULL, 0, 100);
}

void wk_studio_close(wk_studio *s) {
  if (!s)
    return;
  s->over = true;
  if (s->events.next)
    wk_events_close(&s->events);
  wk_server_stop(s->server);
  wk_jobs_close(&s->jobs);
  if (s->hashes)
    pthread_join(s->hashing, NULL);
  wk_studio_drop_model(s);
  free(s->backbone);
  pthread_mutex_destroy(&s->model_lock);
  wk_project_close(s->project);
  wk_events_free(&s->events);
  free(s);
}
