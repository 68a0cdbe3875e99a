/* job_check.c - the data doctor on a project's photos. */
#include <stdlib.h>
#include <string.h>

#include "job_child.h"
#include "whisker/answers.h"

typedef struct named {
  const char *file;
  size_t at;
} named;

static int by_file(const void *a, const void *b) { return strcmp(((const named *)a)->file, ((const named *)b)->file); }

/* The project's number of each photo of the doctor's collection; 0: none. free it. */
static uint64_t *numbers(const wk_child *c, const wk_dataset *d) {
  named *sorted = malloc((c->count + 1) * sizeof *sorted);
  uint64_t *id = calloc(d->photo_count + 1, sizeof *id);
  for (size_t i = 0; sorted && i < c->count; i++)
    sorted[i] = (named){c->files[i], i};
  if (sorted)
    qsort(sorted, c->count, sizeof *sorted, by_file);
  for (size_t i = 0; sorted && id && i < d->photo_count; i++) {
    const named wanted = {.file = d->photos[i].path};
    const named *found = bsearch(&wanted, sorted, c->count, sizeof *sorted, by_file);
    id[i] = found ? c->ids[found->at] : 0;
  }
  if (!sorted) {
    free(id);
    id = NULL;
  }
  free(sorted);
  return id;
}

static json_t *photo_number(const uint64_t *id, size_t photo) {
  return photo == WK_NO_PHOTO || !id[photo] ? json_null() : json_integer((json_int_t)id[photo]);
}

static json_t *report_json(const wk_child *c, const wk_check_report *r) {
  uint64_t *id = numbers(c, r->data);
  json_t *findings = json_array(), *counts = json_object();
  for (size_t i = 0; id && i < r->check->finding_count; i++) {
    const wk_finding *x = &r->check->findings[i];
    json_array_append_new(
        findings,
        json_pack("{s:s,s:o,s:o,s:o,s:f,s:b,s:o}", "kind", wk_check_kind_name(x->kind), "id",
                  photo_number(id, x->photo), "other", photo_number(id, x->other), "suggested",
                  x->suggested < 0 ? json_null() : json_integer(wk_child_class(c, r->data->classes[x->suggested])),
                  "score", x->score, "exclude", x->exclude, "what", wk_json_text(x->what)));
  }
  for (int k = 0; k < WK_CHECK_KINDS; k++)
    json_object_set_new(counts, wk_check_kind_name((wk_check_kind)k), json_integer((json_int_t)r->check->count[k]));
  free(id);
  return json_pack(
      "{s:o,s:o,s:[o,o,o],s:o,s:I,s:o,s:f}", "findings", findings, "counts", counts, "verdict",
      wk_json_text(r->verdict[0]), wk_json_text(r->verdict[1]), wk_json_text(r->verdict[2]), "unjudged",
      wk_json_text(r->unjudged), "judged", (json_int_t)r->judged, "right",
      json_pack("{s:o,s:f,s:f}", "value", wk_json_number(r->right.value), "low", r->right.low, "high", r->right.high),
      "seconds", r->seconds);
}

wk_status wk_child_check(json_t **result, wk_child *c, wk_error *err) {
  char *list = wk_child_path(c, "photos.csv");
  wk_check_report *r = NULL;
  wk_check_data_options o;
  wk_check_data_options_init(&o);
  const char *backbone = json_string_value(json_object_get(c->what, "backbone"));
  if (backbone)
    o.backbone = backbone;
  wk_status st = list ? WK_OK : wk_child_no_memory(err);
  if (st == WK_OK)
    st = wk_child_write_list(c, list, false, true, err);
  if (st == WK_OK)
    st = wk_check_data(&r, c->session, list, &o, err);
  if (st == WK_OK)
    *result = report_json(c, r);
  wk_check_report_free(r);
  free(list);
  return st;
}
