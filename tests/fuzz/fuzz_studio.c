/* fuzz_studio.c - see fuzz_studio.h. */
#include "fuzz_studio.h"

#include <stdlib.h>
#include <string.h>

#include "studio/changes.h"
#include "studio/photo_list.h"
#include "studio/request_check.h"
#include "studio/server.h"

enum { PHOTOS = 5, CLASSES = 2 };

static void forget(wk_project *p) {
  for (size_t i = 0; i < p->photo_count; i++)
    free(p->photos[i].file);
  for (int i = 0; i < p->class_count; i++)
    free(p->classes[i]);
  free(p->photos);
  free(p->classes);
}

/* Everything that an edit can change, as text. */
static char *picture_of(const wk_project *p) {
  json_t *all = json_array();
  for (size_t i = 0; i < p->photo_count; i++)
    json_array_append_new(all,
                          json_pack("[i,i,b]", (int)p->photos[i].label, (int)p->photos[i].part, p->photos[i].removed));
  int last = p->class_count; /* a class that was taken back leaves its number, which is all that stays */
  while (last > 0 && !p->classes[last - 1])
    last--;
  for (int i = 0; i < last; i++)
    json_array_append_new(all, wk_json_text(p->classes[i]));
  char *text = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return text;
}

static void edit(wk_project *p, const json_t *changes) {
  wk_fault f;
  json_t *inverse = NULL;
  char *before = picture_of(p);
  const wk_status st = wk_changes_make(&inverse, p, changes, false, &f);
  if (st == WK_OK && wk_changes_make(NULL, p, inverse, true, &f) != WK_OK)
    abort();
  char *after = picture_of(p);
  if (before && after && strcmp(before, after) != 0)
    abort();
  free(before);
  free(after);
  json_decref(inverse);
}

void fuzz_studio(const uint8_t *bytes, size_t size) {
  wk_project p = {0};
  wk_fault f;
  for (int i = 0; i < CLASSES; i++)
    if (wk_project_class(&p, i ? "dog" : "cat") < 0)
      abort();
  for (int i = 0; i < PHOTOS; i++) {
    char file[] = "a.jpg";
    if (wk_project_append(&p, &(wk_project_photo){.file = file, .label = i % 3 - 1}, &f) != WK_OK)
      abort();
  }
  char *text = calloc(1, size + 1);
  if (text && size)
    memcpy(text, bytes, size);
  if (text && wk_json_depth(text, size) <= WK_JSON_DEPTH) {
    json_t *body = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    edit(&p, json_object_get(body, "edits"));
    json_decref(body);
  }
  uint64_t number;
  wk_photo_filter filter;
  if (text && wk_cookie_is(text, "whisker_1", "secret") && !strstr(text, "whisker_1=secret"))
    abort();
  if (text && wk_host_is_ours(text, 80) && strlen(text) > 12)
    abort();
  if (text && wk_number_of(&number, text, 9) && number > 9)
    abort();
  if (text && wk_photo_filter_read(&filter, &p, NULL, text, &f) == WK_OK && filter.label >= CLASSES)
    abort();
  free(text);
  forget(&p);
}
