/* jobs.c - the queue, the processes, and what their lines tell: see jobs.h. */
#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "whisker/clock.h"

enum { LONGEST_LINE = 1 << 16, LAST_ENDED = 20, GRACE_SECONDS = 20 };
#define TELL_EVERY 0.05 /* seconds */

static const char *const states[] = {"queued", "running", "done", "failed"};

/* ---- telling ----------------------------------------------------------------------------------- */

static double seconds_left(const wk_studio_job_row *row) {
  const double spent = wk_clock_seconds() - row->began;
  return row->total && row->done && spent > 1 ? spent / (double)row->done * (double)(row->total - row->done) : -1;
}

static json_t *row_json(const wk_studio_job_row *row) {
  const double left = row->state == WK_JOB_RUNNING && row->done <= row->total ? seconds_left(row) : -1;
  return json_pack("{s:I,s:s,s:s,s:o,s:s,s:I,s:I,s:o,s:b,s:O?}", "id", (json_int_t)row->id, "kind", row->kind, "state",
                   states[row->state], "run", row->run ? json_integer(row->run) : json_null(), "stage", row->stage,
                   "done", (json_int_t)row->done, "total", (json_int_t)row->total, "left_s",
                   left < 0 ? json_null() : json_real(left), "cancelled", row->cancelled, "error", row->error);
}

static void tell(wk_jobs *j, wk_studio_job_row *row) {
  row->told = wk_clock_seconds();
  wk_events_tell(j->events, "job", row_json(row));
}

static wk_studio_job_row *find(wk_jobs *j, uint64_t id) {
  for (size_t i = 0; i < j->count; i++)
    if (j->rows[i].id == id)
      return &j->rows[i];
  return NULL;
}

/* ---- what a process says ----------------------------------------------------------------------- */

static void on_progress(wk_jobs *j, wk_studio_job_row *row, const json_t *line) {
  const char *stage = json_string_value(json_object_get(line, "stage"));
  const bool fresh = stage && strcmp(stage, row->stage) != 0;
  if (fresh) {
    snprintf(row->stage, sizeof row->stage, "%s", stage);
    row->began = wk_clock_seconds();
  }
  row->done = (uint64_t)json_integer_value(json_object_get(line, "done"));
  row->total = (uint64_t)json_integer_value(json_object_get(line, "total"));
  if (fresh || row->done == row->total || wk_clock_seconds() - row->told >= TELL_EVERY)
    tell(j, row);
}

/* Lines are our own program's, and yet only what is expected is passed on. */
static void on_line(wk_jobs *j, uint64_t id, const char *text, json_t **error) {
  json_t *line = json_loads(text, 0, NULL);
  const char *event = json_string_value(json_object_get(line, "event"));
  pthread_mutex_lock(&j->lock);
  wk_studio_job_row *row = find(j, id);
  if (event && !strcmp(event, "progress")) {
    on_progress(j, row, line);
  } else if (event && !strcmp(event, "error")) {
    json_decref(*error);
    *error = json_incref(json_object_get(line, "error"));
  } else if (event && (!strcmp(event, "epoch") || !strcmp(event, "data") || !strcmp(event, "warning"))) {
    json_object_set_new(line, "job", json_integer((json_int_t)id));
    wk_events_tell(j->events, event, json_incref(line));
  }
  pthread_mutex_unlock(&j->lock);
  json_decref(line);
}

static void read_lines(wk_jobs *j, uint64_t id, int fd, json_t **error) {
  char *line = malloc(LONGEST_LINE);
  FILE *in = line ? fdopen(fd, "r") : NULL;
  if (!in) {
    close(fd); /* the process ends by the broken pipe */
  } else {
    while (fgets(line, LONGEST_LINE, in))
      on_line(j, id, line, error);
    fclose(in);
  }
  free(line);
}

/* ---- a process --------------------------------------------------------------------------------- */

static wk_status spawn(pid_t *child, int *out, const wk_jobs *j, const char *folder, const char *log, wk_fault *f) {
  char threads[16], seed[24];
  snprintf(threads, sizeof threads, "%d", j->threads);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)j->seed);
  const char *const words[] = {j->program, "studio", "--job", folder, "--threads", threads, "--seed", seed, NULL};
  char *argv[sizeof words / sizeof *words];
  memcpy(argv, words, sizeof words);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC))
    return wk_fault_io(f, "a pipe", "made");
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  /* A group of its own: Ctrl-C at the terminal ends the studio, which then ends the job in its own way. */
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int why = posix_spawn(child, j->program, &files, &attributes, argv, j->environment);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (!why) {
    *out = ends[0];
    return WK_OK;
  }
  close(ends[0]);
  errno = why;
  return wk_fault_io(f, j->program, "started");
}

static wk_status write_job(const char *folder, const json_t *what, wk_fault *f) {
  char path[4400];
  snprintf(path, sizeof path, "%s/job.json", folder);
  if (mkdir(folder, 0700) && errno != EEXIST)
    return wk_fault_io(f, folder, "made");
  errno = EIO;
  return json_dump_file(what, path, JSON_COMPACT) ? wk_fault_io(f, path, "written") : WK_OK;
}

/* How it ended, in words, where it did not say so itself. */
static json_t *death(int status) {
  wk_fault f;
  if (WIFSIGNALED(status)) {
    wk_fault_set(&f, 500, "job_killed", WK_ERR_INTERNAL, "the job's process was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    f.fix = WTERMSIG(status) == SIGKILL ? "perhaps memory ran out: close other programs, or train the quick way"
                                        : "see log.txt in the job's folder";
  } else {
    wk_fault_set(&f, 500, "job_failed", WK_ERR_INTERNAL, "the job's process ended with %d", WEXITSTATUS(status));
    f.fix = "see log.txt in the job's folder";
  }
  return wk_fault_error(&f);
}

/* Runs job `id`, whose row says so already, to its end. The error, or NULL. */
static json_t *run(wk_jobs *j, uint64_t id, const char *below, const json_t *what) {
  char folder[4200], log[4300];
  wk_fault f;
  json_t *error = NULL;
  pid_t child = 0;
  int out = -1, status = 0;
  snprintf(folder, sizeof folder, "%s/%s", j->project->folder, below);
  snprintf(log, sizeof log, "%s/log.txt", folder);
  wk_status st = write_job(folder, what, &f);
  if (st == WK_OK)
    st = spawn(&child, &out, j, folder, log, &f);
  if (st != WK_OK)
    return wk_fault_error(&f);
  pthread_mutex_lock(&j->lock);
  wk_studio_job_row *row = find(j, id);
  row->process = child;
  if (row->cancelled) /* between its start and now */
    kill(child, SIGINT);
  pthread_mutex_unlock(&j->lock);
  read_lines(j, id, out, &error);
  /* Whoever cancels holds the lock and finds no process: its number may belong to another from here on. */
  siginfo_t info;
  while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) && errno == EINTR) {
  }
  pthread_mutex_lock(&j->lock);
  find(j, id)->process = 0;
  waitpid(child, &status, 0);
  pthread_mutex_unlock(&j->lock);
  if (!error && (!WIFEXITED(status) || WEXITSTATUS(status)))
    error = death(status);
  return error;
}

/* ---- the queue --------------------------------------------------------------------------------- */

static wk_studio_job_row *next_queued(wk_jobs *j) {
  for (size_t i = 0; i < j->count; i++)
    if (j->rows[i].state == WK_JOB_QUEUED)
      return &j->rows[i];
  return NULL;
}

static void finish(wk_jobs *j, uint64_t id, json_t *error) {
  pthread_mutex_lock(&j->lock);
  wk_studio_job_row *row = find(j, id);
  row->state = error ? WK_JOB_FAILED : WK_JOB_DONE;
  row->error = error;
  const wk_studio_job_row copy = *row;
  pthread_mutex_unlock(&j->lock);
  j->ended(j->user, &copy);
  wk_events_tell(j->events, "end",
                 json_pack("{s:I,s:s,s:o,s:O?}", "id", (json_int_t)id, "kind", copy.kind, "run",
                           copy.run && !error ? json_integer(copy.run) : json_null(), "error", error));
}

static void *work(void *user) {
  wk_jobs *j = user;
  pthread_mutex_lock(&j->lock);
  while (!j->over) {
    wk_studio_job_row *row = next_queued(j);
    if (!row) {
      pthread_cond_wait(&j->news, &j->lock);
      continue;
    }
    char folder[32];
    const uint64_t id = row->id;
    json_t *what = row->what;
    row->what = NULL;
    memcpy(folder, row->folder, sizeof folder);
    row->state = WK_JOB_RUNNING;
    row->began = wk_clock_seconds();
    tell(j, row);
    pthread_mutex_unlock(&j->lock);
    json_t *error = run(j, id, folder, what);
    json_decref(what);
    finish(j, id, error);
    pthread_mutex_lock(&j->lock);
  }
  pthread_mutex_unlock(&j->lock);
  return NULL;
}

wk_status wk_jobs_open(wk_jobs *j, wk_fault *f) {
  pthread_mutex_init(&j->lock, NULL);
  pthread_cond_init(&j->news, NULL);
  j->started = !pthread_create(&j->worker, NULL, work, j);
  return j->started ? WK_OK : wk_fault_memory(f);
}

static void end_running(wk_jobs *j, int signal) {
  pthread_mutex_lock(&j->lock);
  for (size_t i = 0; i < j->count; i++)
    if (j->rows[i].state == WK_JOB_RUNNING && j->rows[i].process)
      kill(j->rows[i].process, signal);
  pthread_mutex_unlock(&j->lock);
}

void wk_jobs_close(wk_jobs *j) {
  if (!j->started)
    return;
  pthread_mutex_lock(&j->lock);
  j->over = true;
  pthread_cond_broadcast(&j->news);
  pthread_mutex_unlock(&j->lock);
  end_running(j, SIGINT);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += GRACE_SECONDS;
  if (pthread_timedjoin_np(j->worker, NULL, &until)) {
    end_running(j, SIGKILL);
    pthread_join(j->worker, NULL);
  }
  for (size_t i = 0; i < j->count; i++) {
    json_decref(j->rows[i].what);
    json_decref(j->rows[i].error);
  }
  free(j->rows);
  pthread_cond_destroy(&j->news);
  pthread_mutex_destroy(&j->lock);
  *j = (wk_jobs){0};
}

wk_status wk_jobs_add(wk_jobs *j, uint64_t *id, const char *kind, int run_number, json_t *what, wk_fault *f) {
  pthread_mutex_lock(&j->lock);
  wk_studio_job_row *grown = realloc(j->rows, (j->count + 1) * sizeof *grown);
  if (!grown || !what) {
    if (grown)
      j->rows = grown;
    pthread_mutex_unlock(&j->lock);
    json_decref(what);
    return wk_fault_memory(f);
  }
  j->rows = grown;
  *id = j->first + j->count;
  wk_studio_job_row *row = &j->rows[j->count++];
  *row = (wk_studio_job_row){.id = *id, .kind = kind, .run = run_number, .what = what};
  if (run_number)
    snprintf(row->folder, sizeof row->folder, "runs/%04d", run_number);
  else
    snprintf(row->folder, sizeof row->folder, "jobs/%04llu", (unsigned long long)*id);
  tell(j, row);
  pthread_cond_broadcast(&j->news);
  pthread_mutex_unlock(&j->lock);
  return WK_OK;
}

wk_status wk_jobs_cancel(wk_jobs *j, uint64_t id, wk_fault *f) {
  wk_status st = WK_OK;
  pthread_mutex_lock(&j->lock);
  wk_studio_job_row *row = find(j, id);
  if (!row || row->state > WK_JOB_RUNNING) {
    st = wk_fault_set(f, 404, "no_job", WK_ERR_NOT_FOUND, "there is no job %llu that waits or runs",
                      (unsigned long long)id);
  } else if (row->state == WK_JOB_QUEUED) {
    row->cancelled = true;
    row->state = WK_JOB_FAILED;
    tell(j, row);
  } else if (!row->cancelled) { /* a second signal would end it at once */
    row->cancelled = true;
    if (row->process)
      kill(row->process, SIGINT);
    tell(j, row);
  }
  pthread_mutex_unlock(&j->lock);
  return st;
}

json_t *wk_jobs_json(wk_jobs *j) {
  json_t *all = json_array();
  pthread_mutex_lock(&j->lock);
  size_t ended = 0;
  for (size_t i = j->count; i-- > 0;)
    if (j->rows[i].state <= WK_JOB_RUNNING || ended++ < LAST_ENDED)
      json_array_insert_new(all, 0, row_json(&j->rows[i]));
  pthread_mutex_unlock(&j->lock);
  return all;
}

json_t *wk_jobs_one(wk_jobs *j, uint64_t id, char folder[32], wk_fault *f) {
  json_t *one = NULL;
  pthread_mutex_lock(&j->lock);
  const wk_studio_job_row *row = find(j, id);
  if (row) {
    one = row_json(row);
    memcpy(folder, row->folder, sizeof row->folder);
  }
  pthread_mutex_unlock(&j->lock);
  if (!row)
    wk_fault_set(f, 404, "no_job", WK_ERR_NOT_FOUND, "there is no job %llu", (unsigned long long)id);
  else if (!one)
    wk_fault_memory(f);
  return one;
}
