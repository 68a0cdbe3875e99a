/* jobs.h (internal) - long work, one at a time, each in a process of its own: what waits, what runs, what came of it.
 */
#ifndef WK_STUDIO_JOBS_H
#define WK_STUDIO_JOBS_H

#include <pthread.h>

#include "events.h"
#include "project.h"

typedef enum wk_job_state { WK_JOB_QUEUED = 0, WK_JOB_RUNNING, WK_JOB_DONE, WK_JOB_FAILED } wk_job_state;

typedef struct wk_studio_job_row {
  uint64_t id;
  const char *kind; /* a constant */
  int run;          /* number of the run that a training makes; 0: none */
  json_t *what;     /* job.json; dropped once it is written */
  char folder[32];  /* below the project's: "runs/0001", "jobs/0002" */
  wk_job_state state;
  bool cancelled;
  pid_t process; /* of the one that runs; 0: none yet */
  char stage[64];
  uint64_t done, total;
  double began, told; /* of this stage; when the page was last told */
  json_t *error;      /* {"code",...} of a failed one */
} wk_studio_job_row;

typedef struct wk_jobs {
  pthread_mutex_t lock;
  pthread_cond_t news;
  pthread_t worker;
  bool started, over;
  wk_project *project;
  wk_events *events;
  const char *program;
  char *const *environment;
  int threads;
  uint64_t seed;
  uint64_t first; /* number of the first job: those before left their folders */
  wk_studio_job_row *rows;
  size_t count;
  void (*ended)(void *user, const wk_studio_job_row *row); /* before the page is told */
  void *user;
} wk_jobs;

/* Fields from `program` on are set before. */
wk_status wk_jobs_open(wk_jobs *j, wk_fault *f);
/* Ends what runs (a training keeps its best epoch, when it gets there within some seconds). */
void wk_jobs_close(wk_jobs *j);
/* Takes `what`. *id: the job's. */
wk_status wk_jobs_add(wk_jobs *j, uint64_t *id, const char *kind, int run, json_t *what, wk_fault *f);
wk_status wk_jobs_cancel(wk_jobs *j, uint64_t id, wk_fault *f);
/* All that are waiting or running, and the last ones that ended. */
json_t *wk_jobs_json(wk_jobs *j);
/* One, with its folder; NULL: there is none, f says so. */
json_t *wk_jobs_one(wk_jobs *j, uint64_t id, char folder[32], wk_fault *f);

#endif
