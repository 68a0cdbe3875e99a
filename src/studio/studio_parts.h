/* studio_parts.h (internal) - the studio and its routes. */
#ifndef WK_STUDIO_STUDIO_PARTS_H
#define WK_STUDIO_STUDIO_PARTS_H

#include "events.h"
#include "jobs.h"
#include "project.h"
#include "run_rows.h"
#include "server.h"
#include "whisker/studio.h"

struct wk_studio {
  wk_session *session;
  wk_project *project;
  wk_server *server;
  wk_events events;
  wk_jobs jobs;
  char url[128];
  char *backbone; /* NULL: the library's choice */
  pthread_t hashing;
  bool hashes; /* the thread runs */
  _Atomic bool over;
  pthread_mutex_t model_lock; /* of the next: the model that was asked last */
  wk_model *model;
  int model_run;        /* 0: none */
  int last_run;         /* with the project's lock held */
  wk_features *learned; /* of the photos that it learned from; NULL: not computed yet */
  uint64_t *learned_ids;
};

/* Routes: `user` is the studio. */
void wk_route_photos(void *user, wk_request *r);
void wk_route_photo(void *user, wk_request *r);
void wk_route_thumbs(void *user, wk_request *r);
void wk_route_upload(void *user, wk_request *r);
void wk_route_edits(void *user, wk_request *r);
void wk_route_undo(void *user, wk_request *r);
void wk_route_redo(void *user, wk_request *r);

void wk_route_jobs_add(void *user, wk_request *r);
void wk_route_job(void *user, wk_request *r);
void wk_route_job_cancel(void *user, wk_request *r);
void wk_route_runs(void *user, wk_request *r);
void wk_route_run(void *user, wk_request *r);
void wk_route_compare(void *user, wk_request *r);
void wk_route_check(void *user, wk_request *r);
void wk_route_try(void *user, wk_request *r);
void wk_route_why(void *user, wk_request *r);
void wk_route_why_upload(void *user, wk_request *r);

/* The picture as JPEG, its longer side at most `side`; free(*out). */
wk_status wk_picture_jpeg(char **out, size_t *size, const wk_image *picture, int side, int quality, wk_fault *f);
/* The largest number among the folders "0001" ... of that folder of the project. */
int wk_studio_last_number(const wk_project *p, const char *folder);
/* What the doctor and the newest run said of photos, from their files: into the project's photos. */
void wk_studio_read_findings(wk_studio *s);
void wk_studio_read_answers(wk_studio *s);
/* A job has ended: what it found becomes part of the project. */
void wk_studio_job_ended(void *user, const wk_studio_job_row *row);
/* A JSON file of the project; NULL: it is not there, or broken. */
json_t *wk_studio_json_file(const wk_project *p, const char *name);
/* The rows of run `run`, and its result.json. */
wk_status wk_studio_run_rows(wk_run_row **rows, size_t *count, json_t **result, const wk_project *p, uint64_t run,
                             wk_fault *f);
void wk_studio_drop_model(wk_studio *s);

/* The files of the page; ends with a zeroed entry. Written when the library is built (CMakeLists.txt). */
extern const wk_page_file wk_page_files[];

/* Tells every page that the project has changed. With its lock held. */
void wk_studio_tell_rev(wk_studio *s);

#endif
