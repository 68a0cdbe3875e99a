/* journal.c - see journal.h. Lines:
 *   {"rev":7}                                                what photos.csv held when the journal began
 *   {"rev":8,"op":"edit","do":[changes],"undo":[changes]}
 *   {"rev":9,"op":"undo"}, {"rev":10,"op":"redo"}            of the last step that is done, or was undone
 *   {"rev":7,"op":"kept","do":[...],"undo":[...],"done":true}  a step from before: nothing to be made, only to be
 * undone */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"

enum { STEPS_KEPT = 1000, LONG_JOURNAL = 5000 };

static const char FILE_NAME[] = "journal.jsonl";

/* ---- steps ------------------------------------------------------------------------------------- */

static void forget_steps(wk_project *p, size_t from) {
  for (size_t i = from; i < p->step_count; i++) {
    json_decref(p->steps[i].redo);
    json_decref(p->steps[i].undo);
  }
  p->step_count = from < p->step_count ? from : p->step_count;
}

/* Room for one more, so that pushing it cannot fail. */
static wk_status room_for_step(wk_project *p, wk_fault *f) {
  if (p->step_count < p->step_cap)
    return WK_OK;
  const size_t cap = 2 * p->step_cap + 64;
  wk_project_step *grown = realloc(p->steps, cap * sizeof *grown);
  if (!grown)
    return wk_fault_memory(f);
  p->steps = grown;
  p->step_cap = cap;
  return WK_OK;
}

static void push_step(wk_project *p, const json_t *redo, const json_t *undo, bool done) {
  if (done)
    forget_steps(p, p->done);
  p->steps[p->step_count++] =
      (wk_project_step){json_incref((json_t *)(uintptr_t)redo), json_incref((json_t *)(uintptr_t)undo)};
  p->done += done;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* Takes `line`. What could not be written wholly is cut off again. */
static wk_status append_line(wk_project *p, json_t *line, wk_fault *f) {
  char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
  json_decref(line);
  if (!text)
    return wk_fault_memory(f);
  const size_t n = strlen(text);
  text[n] = '\n';
  const bool written = wk_write_fd(p->journal_fd, text, n + 1) && fdatasync(p->journal_fd) == 0;
  wk_status st = written ? WK_OK : wk_fault_io(f, FILE_NAME, "written");
  if (st == WK_OK) {
    p->journal_size += (off_t)(n + 1);
    p->journal_lines++;
  } else if (ftruncate(p->journal_fd, p->journal_size)) {
    close(p->journal_fd); /* nothing may come after half a line */
    p->journal_fd = -1;
  }
  free(text);
  return st;
}

static void shorten(wk_project *p) {
  wk_fault f;
  if (p->journal_lines >= LONG_JOURNAL && wk_project_save(p, &f) == WK_OK)
    wk_journal_renew(p, &f); /* a failure leaves the long one, which is as good */
}

/* ---- reading ----------------------------------------------------------------------------------- */

static wk_status replay(wk_project *p, const json_t *line, wk_fault *f) {
  const char *op = json_string_value(json_object_get(line, "op"));
  const json_t *redo = json_object_get(line, "do"), *undo = json_object_get(line, "undo"),
               *rev = json_object_get(line, "rev");
  wk_status st = room_for_step(p, f);
  if (st != WK_OK)
    return st;
  if (!op) {
  } else if (!strcmp(op, "kept") && redo && undo) {
    push_step(p, redo, undo, json_is_true(json_object_get(line, "done")));
  } else if (!strcmp(op, "edit") && redo && undo) {
    st = wk_changes_make(NULL, p, redo, true, f);
    if (st == WK_OK)
      push_step(p, redo, undo, true);
  } else if (!strcmp(op, "undo") && p->done > 0) {
    st = wk_changes_make(NULL, p, p->steps[--p->done].undo, true, f);
  } else if (!strcmp(op, "redo") && p->done < p->step_count) {
    st = wk_changes_make(NULL, p, p->steps[p->done++].redo, true, f);
  } else {
    st = wk_fault_set(f, 500, "journal", WK_ERR_FORMAT, "a line that is not the studio's");
  }
  if (st == WK_OK && json_is_integer(rev))
    p->rev = (uint64_t)json_integer_value(rev);
  return st;
}

static wk_status read_lines(wk_project *p, char *text, size_t size, wk_fault *f) {
  size_t at = 0;
  for (size_t number = 1; at < size; number++) {
    char *end = memchr(text + at, '\n', size - at);
    json_error_t why;
    json_t *line = end ? json_loadb(text + at, (size_t)(end - text) - at, 0, &why) : NULL;
    const bool last = !end || end + 1 == text + size;
    if (!line && last)
      break; /* torn: it was never acknowledged */
    wk_status st = line ? replay(p, line, f) : wk_fault_set(f, 500, "journal", WK_ERR_FORMAT, "a line that is no JSON");
    json_decref(line);
    if (st != WK_OK) {
      const wk_error was = f->error;
      return wk_fault_set(f, 500, "journal", st,
                          "%s/%s, line %zu: %.200s; the lines before it are fine: move the others aside", p->folder,
                          FILE_NAME, number, was.message);
    }
    p->journal_lines++;
    at = (size_t)(end + 1 - text);
  }
  p->journal_size = (off_t)at;
  return WK_OK;
}

wk_status wk_journal_open(wk_project *p, wk_fault *f) {
  p->journal_fd = openat(p->folder_fd, FILE_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (p->journal_fd < 0)
    return wk_fault_io(f, p->folder, "written");
  char *text = NULL;
  size_t size = 0;
  wk_status st = wk_read_fd(&text, &size, p->journal_fd, (size_t)1 << 31, FILE_NAME, f);
  if (st == WK_OK)
    st = read_lines(p, text, size, f);
  free(text);
  if (st == WK_OK && ftruncate(p->journal_fd, p->journal_size))
    st = wk_fault_io(f, FILE_NAME, "written");
  return st;
}

void wk_journal_close(wk_project *p) {
  forget_steps(p, 0);
  free(p->steps);
  p->steps = NULL;
  if (p->journal_fd >= 0)
    close(p->journal_fd);
  p->journal_fd = -1;
}

wk_status wk_journal_renew(wk_project *p, wk_fault *f) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return wk_fault_memory(f);
  fprintf(out, "{\"rev\":%llu}\n", (unsigned long long)p->rev);
  const size_t first = p->step_count > STEPS_KEPT ? p->step_count - STEPS_KEPT : 0;
  bool fine = true;
  for (size_t i = first; i < p->step_count; i++) {
    json_t *line = json_pack("{s:I,s:s,s:O,s:O,s:b}", "rev", (json_int_t)p->rev, "op", "kept", "do", p->steps[i].redo,
                             "undo", p->steps[i].undo, "done", i < p->done);
    fine = fine && line && !json_dumpf(line, out, JSON_COMPACT) && fputc('\n', out) != EOF;
    json_decref(line);
  }
  wk_status st = fclose(out) || !fine ? wk_fault_memory(f) : wk_project_replace(p, FILE_NAME, text, size, f);
  free(text);
  if (st != WK_OK)
    return st;
  const int fd = openat(p->folder_fd, FILE_NAME, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return wk_fault_io(f, FILE_NAME, "opened");
  close(p->journal_fd);
  p->journal_fd = fd;
  p->journal_size = lseek(fd, 0, SEEK_END);
  p->journal_lines = 0;
  return WK_OK;
}

/* ---- changing ---------------------------------------------------------------------------------- */

static json_t *line_of(const wk_project *p, const char *op) {
  return json_pack("{s:I,s:s}", "rev", (json_int_t)(p->rev + 1), "op", op);
}

static wk_status edit(wk_project *p, const json_t *changes, bool trusted, wk_fault *f) {
  json_t *inverse = NULL;
  wk_status st = room_for_step(p, f);
  if (st == WK_OK)
    st = wk_changes_make(&inverse, p, changes, trusted, f);
  if (st != WK_OK)
    return st;
  json_t *line = line_of(p, "edit");
  if (json_object_set(line, "do", (json_t *)(uintptr_t)changes) || json_object_set(line, "undo", inverse)) {
    json_decref(line);
    line = NULL;
  }
  st = append_line(p, line, f);
  if (st == WK_OK) {
    push_step(p, changes, inverse, true);
    p->rev++;
    shorten(p);
  } else {
    wk_fault ignored;
    const wk_status undone = wk_changes_make(NULL, p, inverse, true, &ignored);
    (void)undone;
  }
  json_decref(inverse);
  return st;
}

wk_status wk_journal_edit(wk_project *p, const json_t *changes, wk_fault *f) { return edit(p, changes, false, f); }
wk_status wk_journal_add(wk_project *p, const json_t *changes, wk_fault *f) { return edit(p, changes, true, f); }

/* The line first: without it nothing is changed. */
wk_status wk_journal_undo(wk_project *p, wk_fault *f) {
  if (!p->done)
    return wk_fault_set(f, 409, "nothing_to_undo", WK_ERR_NOT_FOUND, "there is nothing to undo");
  wk_status st = append_line(p, line_of(p, "undo"), f);
  if (st != WK_OK)
    return st;
  p->rev++;
  st = wk_changes_make(NULL, p, p->steps[--p->done].undo, true, f);
  shorten(p);
  return st;
}

wk_status wk_journal_redo(wk_project *p, wk_fault *f) {
  if (p->done == p->step_count)
    return wk_fault_set(f, 409, "nothing_to_redo", WK_ERR_NOT_FOUND, "there is nothing to do again");
  wk_status st = append_line(p, line_of(p, "redo"), f);
  if (st != WK_OK)
    return st;
  p->rev++;
  st = wk_changes_make(NULL, p, p->steps[p->done++].redo, true, f);
  shorten(p);
  return st;
}
