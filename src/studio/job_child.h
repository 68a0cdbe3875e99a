/* job_child.h (internal) - a job's own process: it reads what is asked of it from job.json in its folder, tells how far
 * it is in lines of JSON, and leaves its result in result.json. */
#ifndef WK_STUDIO_JOB_CHILD_H
#define WK_STUDIO_JOB_CHILD_H

#include "fault.h"
#include "whisker/studio.h"

/* The photos of the project that can be worked with, as job.json lists them. Texts belong to `what`. */
typedef struct wk_child {
  wk_session *session;
  const char *folder;
  json_t *what, *options; /* job.json, and its "options" */
  const char **files;     /* [count] absolute */
  int *labels;            /* [count] classes of the project; -1: none */
  int *parts;             /* [count] wk_split */
  uint64_t *ids;          /* [count] */
  size_t count;
  const char **classes; /* [class_count] NULL: was taken back */
  int class_count;
  wk_studio_tell_fn tell;
  void *user;
} wk_child;

wk_status wk_child_no_memory(wk_error *err);
/* FOLDER/name; free it. */
char *wk_child_path(const wk_child *c, const char *name);
/* Takes `line`. */
void wk_child_tell(const wk_child *c, json_t *line);
/* Takes `json`. Written beside and renamed into place. */
wk_status wk_child_save(const wk_child *c, const char *name, json_t *json, wk_error *err);
/* An option as text; NULL: not given. */
const char *wk_child_text(const wk_child *c, const char *name);
double wk_child_number(const wk_child *c, const char *name, double missing);
/* The project's number of the class that the model calls so; -1: it has none of that name. */
int wk_child_class(const wk_child *c, const char *label);
/* What is left to do after Ctrl-C, which ends only what can be ended: the session's context without `cancelled`. */
wk_context wk_child_calm(const wk_child *c);

/* The photos that have a class as a list (data.h) at `path`, with their parts as splits; `test`: also those set aside.
 */
wk_status wk_child_write_list(const wk_child *c, const char *path, bool split, bool test, wk_error *err);

/* The kinds of jobs. Each leaves *result, to be saved. */
wk_status wk_child_train(json_t **result, wk_child *c, wk_error *err);
wk_status wk_child_check(json_t **result, wk_child *c, wk_error *err);
wk_status wk_child_map(json_t **result, wk_child *c, wk_error *err);
wk_status wk_child_ideal(json_t **result, wk_child *c, wk_error *err);
wk_status wk_child_attack(json_t **result, wk_child *c, wk_error *err);
wk_status wk_child_export(json_t **result, wk_child *c, wk_error *err);

#endif
