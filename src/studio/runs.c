/* runs.c - what trainings came to, for the page: the list, one run with everything that follows from its answers, and
 * two side by side. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "photo_list.h"
#include "run_rows.h"
#include "studio_parts.h"

/* ---- files ------------------------------------------------------------------------------------- */

static void run_path(char path[64], uint64_t run, const char *name) {
  snprintf(path, 64, "runs/%04d/%s", (int)run, name);
}

/* result.json with the run's number and when it was written; NULL: there is no such run, or it did not come to an end.
 */
static json_t *run_result(const wk_project *p, uint64_t run) {
  char path[64], when[32];
  struct stat info;
  struct tm utc;
  run_path(path, run, "result.json");
  json_t *result = wk_studio_json_file(p, path);
  if (!json_is_object(result) || fstatat(p->folder_fd, path, &info, AT_SYMLINK_NOFOLLOW)) {
    json_decref(result);
    return NULL;
  }
  gmtime_r(&info.st_mtime, &utc);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
  json_object_set_new(result, "run", json_integer((json_int_t)run));
  json_object_set_new(result, "when", json_string(when));
  return result;
}

wk_status wk_studio_run_rows(wk_run_row **rows, size_t *count, json_t **result, const wk_project *p, uint64_t run,
                             wk_fault *f) {
  char path[64], whole[4300];
  json_t *found = run_result(p, run);
  if (!found)
    return wk_fault_set(f, 404, "no_run", WK_ERR_NOT_FOUND, "there is no run %llu", (unsigned long long)run);
  run_path(path, run, "predictions.csv");
  snprintf(whole, sizeof whole, "%s/%s", p->folder, path);
  const wk_status st = wk_run_rows_read(rows, count, whole, f);
  if (st == WK_OK && result)
    *result = found;
  else
    json_decref(found);
  return st;
}

/* ---- what is known of photos ------------------------------------------------------------------- */

void wk_studio_read_answers(wk_studio *s) {
  wk_project *p = s->project;
  wk_run_row *rows = NULL;
  size_t count = 0;
  wk_fault f;
  for (int run = wk_studio_last_number(p, "runs"); run > 0; run--)
    if (wk_studio_run_rows(&rows, &count, NULL, p, (uint64_t)run, &f) == WK_OK)
      break;
  pthread_mutex_lock(&p->lock);
  for (size_t i = 0; i < count; i++)
    if (rows[i].id >= 1 && rows[i].id <= p->photo_count)
      p->photos[rows[i].id - 1].p = rows[i].p_label;
  pthread_mutex_unlock(&p->lock);
  free(rows);
}

static unsigned flag_of(const char *kind) {
  static const struct {
    const char *kind;
    unsigned flag;
  } known[] = {{"unreadable", WK_FLAG_BROKEN}, {"truncated", WK_FLAG_BROKEN},
               {"copy", WK_FLAG_COPY},         {"twin", WK_FLAG_COPY},
               {"mislabelled", WK_FLAG_WRONG}, {"labels", WK_FLAG_COPY | WK_FLAG_WRONG}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(kind, known[i].kind))
      return known[i].flag;
  return WK_FLAG_OTHER;
}

void wk_studio_read_findings(wk_studio *s) {
  wk_project *p = s->project;
  json_t *check = wk_studio_json_file(p, "check.json"), *finding;
  size_t i;
  if (!check)
    return;
  pthread_mutex_lock(&p->lock);
  for (i = 0; i < p->photo_count; i++)
    p->photos[i].found = 0;
  json_array_foreach(json_object_get(check, "findings"), i, finding) {
    const uint64_t id = (uint64_t)json_integer_value(json_object_get(finding, "id"));
    const char *kind = json_string_value(json_object_get(finding, "kind"));
    if (kind && id >= 1 && id <= p->photo_count)
      p->photos[id - 1].found |= (uint8_t)flag_of(kind);
  }
  pthread_mutex_unlock(&p->lock);
  json_decref(check);
}

void wk_studio_job_ended(void *user, const wk_studio_job_row *row) {
  wk_studio *s = user;
  char path[64];
  snprintf(path, sizeof path, "%s/result.json", row->folder);
  if (row->state != WK_JOB_DONE)
    return;
  if (!strcmp(row->kind, "check")) {
    if (renameat(s->project->folder_fd, path, s->project->folder_fd, "check.json") == 0)
      wk_studio_read_findings(s);
  } else if (!strcmp(row->kind, "train")) {
    wk_studio_read_answers(s);
  }
}

void wk_route_check(void *user, wk_request *r) {
  wk_studio *s = user;
  json_t *check = wk_studio_json_file(s->project, "check.json");
  wk_fault f;
  if (check) {
    wk_answer_json(r, 200, check);
    return;
  }
  wk_fault_set(&f, 404, "not_found", WK_ERR_NOT_FOUND, "the photos have not been checked yet");
  wk_answer_fault(r, &f);
}

/* ---- runs -------------------------------------------------------------------------------------- */

void wk_route_runs(void *user, wk_request *r) {
  wk_studio *s = user;
  json_t *all = json_array();
  const int last = wk_studio_last_number(s->project, "runs");
  for (int run = 1; run <= last; run++) {
    json_t *one = run_result(s->project, (uint64_t)run);
    if (one) {
      json_object_del(one, "history");
      json_array_append_new(all, one);
    }
  }
  wk_answer_json(r, 200, json_pack("{s:o}", "runs", all));
}

static int class_count(wk_project *p) {
  pthread_mutex_lock(&p->lock);
  const int count = p->class_count;
  pthread_mutex_unlock(&p->lock);
  return count;
}

static int worst_first(const void *a, const void *b) {
  const wk_run_row *x = a, *y = b;
  const bool right_x = wk_run_row_right(x), right_y = wk_run_row_right(y);
  if (right_x != right_y)
    return right_x ? 1 : -1;
  if (x->p != y->p) /* of the wrong ones the surest first, of the right ones the least sure */
    return (x->p > y->p) == right_x ? 1 : -1;
  return x->id < y->id ? -1 : x->id > y->id;
}

typedef struct row_filter {
  uint64_t truth, predicted; /* UINT32_MAX: any */
  bool wrong, learned;
} row_filter;

static bool passes(const wk_run_row *row, const row_filter *filter) {
  return row->label >= 0 && (filter->learned || !row->learned) && (!filter->wrong || !wk_run_row_right(row)) &&
         (filter->truth == UINT32_MAX || (uint64_t)row->label == filter->truth) &&
         (filter->predicted == UINT32_MAX || (row->predicted >= 0 && (uint64_t)row->predicted == filter->predicted));
}

static json_t *number_or_null(int n) { return n < 0 ? json_null() : json_integer(n); }

static void answer_rows(wk_request *r, wk_run_row *rows, size_t count) {
  const char *wrong = wk_request_query(r, "filter"), *learned = wk_request_query(r, "learned");
  row_filter filter = {.wrong = wrong && !strcmp(wrong, "wrong"), .learned = learned && !strcmp(learned, "1")};
  uint64_t from, most;
  if (!wk_request_number(&filter.truth, r, "truth", UINT32_MAX, INT32_MAX) ||
      !wk_request_number(&filter.predicted, r, "predicted", UINT32_MAX, INT32_MAX) ||
      !wk_request_number(&from, r, "from", 0, UINT32_MAX) || !wk_request_number(&most, r, "count", 1000, UINT32_MAX))
    return;
  qsort(rows, count, sizeof *rows, worst_first);
  json_t *id = json_array(), *label = json_array(), *predicted = json_array(), *second = json_array(),
         *p = json_array(), *p_class = json_array(), *known = json_array();
  uint64_t total = 0;
  for (size_t i = 0; i < count; i++) {
    if (!passes(&rows[i], &filter) || total++ < from || json_array_size(id) >= most)
      continue;
    json_array_append_new(id, json_integer((json_int_t)rows[i].id));
    json_array_append_new(label, number_or_null(rows[i].label));
    json_array_append_new(predicted, number_or_null(rows[i].predicted));
    json_array_append_new(second, number_or_null(rows[i].second));
    json_array_append_new(p, wk_json_number((double)rows[i].p));
    json_array_append_new(p_class, wk_json_number((double)rows[i].p_label));
    json_array_append_new(known, json_boolean(rows[i].learned));
  }
  wk_answer_json(r, 200,
                 json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "total", (json_int_t)total, "id", id, "class", label,
                           "predicted", predicted, "second", second, "p", p, "p_class", p_class, "learned", known));
}

static void answer_promise(wk_request *r, const wk_run_row *rows, size_t count) {
  const char *given = wk_request_query(r, "wrong");
  char *end = NULL;
  const double wrong = given ? strtod(given, &end) : 1;
  wk_fault f;
  if ((!given || (end != given && !*end)) && wrong >= 0.1 && wrong <= 50) {
    wk_answer_json(r, 200, wk_run_promise(rows, count, wrong / 100));
    return;
  }
  wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT, "wrong is a number of answers in 100, from 0.1 to 50");
  wk_answer_fault(r, &f);
}

/* /runs/1, /runs/1/rows, /runs/1/promise */
void wk_route_run(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  uint64_t run;
  wk_run_row *rows = NULL;
  size_t count = 0;
  json_t *result = NULL;
  const char *more = wk_request_leading_number(&run, r, 999999);
  if (*more && strcmp(more, "/rows") && strcmp(more, "/promise"))
    run = 0;
  if (wk_studio_run_rows(&rows, &count, &result, s->project, run, &f) != WK_OK) {
    wk_answer_fault(r, &f);
    return;
  }
  if (!strcmp(more, "/rows")) {
    answer_rows(r, rows, count);
  } else if (!strcmp(more, "/promise")) {
    answer_promise(r, rows, count);
  } else {
    const int classes = class_count(s->project);
    json_object_set_new(result, "confusion", wk_run_confusion(rows, count, classes));
    json_object_set_new(result, "per_class", wk_run_per_class(rows, count, classes));
    wk_answer_json(r, 200, json_incref(result));
  }
  json_decref(result);
  free(rows);
}

void wk_route_compare(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_fault f;
  uint64_t run[2];
  wk_run_row *rows[2] = {NULL, NULL};
  size_t count[2];
  if (!wk_request_number(&run[0], r, "a", 0, 999999) || !wk_request_number(&run[1], r, "b", 0, 999999))
    return;
  wk_status st = WK_OK;
  for (int i = 0; st == WK_OK && i < 2; i++)
    st = wk_studio_run_rows(&rows[i], &count[i], NULL, s->project, run[i], &f);
  if (st == WK_OK)
    wk_answer_json(r, 200, wk_run_compare(rows[0], count[0], rows[1], count[1]));
  else
    wk_answer_fault(r, &f);
  free(rows[0]);
  free(rows[1]);
}
