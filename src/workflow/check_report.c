/* check_report.c - what the data doctor found, in three lines, as JSON, and as the list that training takes. */
#include <string.h>

#include "data/data.h"
#include "whisker/output.h"
#include "whisker/utf8.h"
#include "workflow/byte_names.h"
#include "workflow/doctor.h"

#define MARK "file,kind,class,suggested,other,score,exclude,what"

typedef struct kind_words {
  const char *title, *one,
      *cure; /* "75 labels may be wrong" is made of count and title, "1 label may be wrong" of `one` */
} kind_words;

static const kind_words words[WK_CHECK_KINDS] = {
    [WK_CHECK_UNREADABLE] = {"photos cannot be read", "photo cannot be read", "fetch them again, or leave them out"},
    [WK_CHECK_TRUNCATED] = {"photos break off", "photo breaks off", "fetch them again, or leave them out"},
    [WK_CHECK_LABELS] = {"photos are in two classes", "photo is in two classes", "decide which label is right"},
    [WK_CHECK_MISLABELLED] = {"labels may be wrong", "label may be wrong",
                              "look at them; correct them with train --labels"},
    [WK_CHECK_LEAK] = {"photos are in two splits", "photo is in two splits", "leave them out of one"},
    [WK_CHECK_COPY] = {"copies", "copy", "leave them out"},
    [WK_CHECK_TWIN] = {"near copies", "near copy", "leave them out, or keep them on one side of a split"},
    [WK_CHECK_BLANK] = {"photos are blank", "photo is blank", "leave them out"},
    [WK_CHECK_OUTLIER] = {"outliers", "outlier", "look whether they belong here"},
    [WK_CHECK_TINY] = {"photos are tiny", "photo is tiny", "find larger ones"},
    [WK_CHECK_ENDING] = {"wrong endings", "wrong ending", "rename them, for other programs' sake"},
    [WK_CHECK_SIDEWAYS] = {"photos lie sideways", "photo lies sideways", "nothing: they are turned when they are read"},
    [WK_CHECK_GREY] = {"photos are grey", "photo is grey", "look whether colour gives the class away"},
    [WK_CHECK_SHAPE] = {"photos are very long", "photo is very long", "crop them to what matters"},
    [WK_CHECK_FEW] = {"notes on small classes", "note on small classes", "add photos"},
    [WK_CHECK_IMBALANCE] = {"imbalances", "imbalance", "add photos of the smaller class, or train --balance"},
    [WK_CHECK_NEEDS] = {"classes need more photos", "class needs more photos", "add photos of them"},
    [WK_CHECK_IGNORED] = {"notes on other files", "note on other files", "nothing: they are left out"},
};

const char *wk_check_kind_words(wk_check_kind kind, size_t count) {
  return (unsigned)kind >= WK_CHECK_KINDS ? "unknown" : count == 1 ? words[kind].one : words[kind].title;
}

const char *wk_check_kind_advice(wk_check_kind kind) { return (unsigned)kind < WK_CHECK_KINDS ? words[kind].cure : ""; }

void wk_check_report_free(wk_check_report *r) {
  if (!r)
    return;
  wk_check_free(r->check);
  wk_dataset_free(r->data);
  for (int i = 0; i < 3; i++)
    wk_free(r->verdict[i]);
  wk_free(r->unjudged);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

const char *wk_photo_below(const wk_dataset *d, size_t photo) {
  const char *name = d->photos[photo].name, *root = d->root;
  size_t n = strlen(root);
  while (n > 1 && root[n - 1] == '/')
    n--;
  return strncmp(name, root, n) == 0 && name[n] == '/' ? name + n + 1 : name;
}

/* ---- three lines --------------------------------------------------------------------------------- */

static bool is_wrong(wk_check_kind kind) {
  return kind != WK_CHECK_SIDEWAYS && kind != WK_CHECK_IGNORED && kind != WK_CHECK_ENDING && kind != WK_CHECK_GREY;
}

static char *say_what_is_wrong(const wk_check *c) {
  wk_text t = {0};
  int named = 0;
  for (int k = 0; k < WK_CHECK_KINDS; k++)
    if (c->count[k] && is_wrong((wk_check_kind)k))
      wk_text_add(&t, "%s%s %s", named++ ? ", " : "Wrong: ", wk_figure_count(c->count[k]).text,
                  wk_check_kind_words((wk_check_kind)k, c->count[k]));
  wk_text_add(&t, named ? "." : "Nothing is wrong that could be seen.");
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

static char *say_what_to_do(const wk_check_report *r, const char *data) {
  wk_text t = {0};
  if (r->exclude_count)
    wk_text_add(&t,
                "To do: look through a list of them (check --list list.csv, or --html page.html), then leave %s out: "
                "train %s --exclude list.csv.",
                r->exclude_count == 1 ? "the one photo on it" : wk_figure_count(r->exclude_count).text, data);
  else if (r->check->count[WK_CHECK_NEEDS] || r->check->count[WK_CHECK_FEW])
    wk_text_add(&t, "To do: add photos of the classes below; the photos that are here can be trained on.");
  else
    wk_text_add(&t, "To do: nothing; train %s.", data);
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

wk_status wk_check_verdict(wk_check_report *r, const char *data, wk_error *err) {
  const wk_check *c = r->check;
  wk_text t = {0};
  wk_text_add(&t, "%s file%s, %s photo%s that can be read, %d class%s", wk_figure_count(c->files).text,
              c->files == 1 ? "" : "s", wk_figure_count(c->usable).text, c->usable == 1 ? "" : "s",
              r->data->class_count, r->data->class_count == 1 ? "" : "es");
  if (r->judged)
    wk_text_add(&t, "; a classifier that has not seen them is right on %s of %s (%s)",
                wk_figure_percent(r->right.value).text, wk_figure_count(r->judged).text,
                wk_figure_interval(r->right).text);
  wk_text_add(&t, ".");
  r->verdict[0] = t.failed ? NULL : t.data;
  if (t.failed)
    wk_text_free(&t);
  r->verdict[1] = say_what_is_wrong(c);
  r->verdict[2] = say_what_to_do(r, data);
  return r->verdict[0] && r->verdict[1] && r->verdict[2] ? WK_OK : wk_no_memory(err);
}

/* ---- JSON ---------------------------------------------------------------------------------------- */

static json_t *findings_json(const wk_check *c, const wk_dataset *d) {
  json_t *rows = json_array();
  for (size_t i = 0; i < c->finding_count; i++) {
    const wk_finding *f = &c->findings[i];
    json_t *row = json_pack("{s:s,s:o,s:f,s:b}", "kind", wk_check_kind_name(f->kind), "message",
                            wk_report_text(f->what), "score", f->score, "exclude", f->exclude);
    if (f->photo != WK_NO_PHOTO)
      json_object_set_new(row, "file", wk_report_text(d->photos[f->photo].name));
    if (f->other != WK_NO_PHOTO)
      json_object_set_new(row, "other", wk_report_text(d->photos[f->other].name));
    if (f->photo != WK_NO_PHOTO && d->photos[f->photo].label >= 0)
      json_object_set_new(row, "class", wk_report_text(d->classes[d->photos[f->photo].label]));
    if (f->suggested >= 0)
      json_object_set_new(row, f->photo == WK_NO_PHOTO ? "class" : "suggested",
                          wk_report_text(d->classes[f->suggested]));
    json_array_append_new(rows, row);
  }
  return rows;
}

/* Groups of photos that are one: the same bytes, or the same to the eye. */
static json_t *groups_json(const wk_check *c, const wk_dataset *d, bool exact) {
  json_t *rows = json_array();
  for (size_t i = 0; i < c->group_count; i++) {
    if (c->groups[i].exact != exact)
      continue;
    json_t *group = json_array();
    for (size_t p = 0; p < c->groups[i].photo_count; p++)
      json_array_append_new(group, wk_report_text(d->photos[c->groups[i].photos[p]].name));
    json_array_append_new(rows, group);
  }
  return rows;
}

static json_t *notes_json(const wk_dataset *d) {
  json_t *rows = json_array();
  for (size_t i = 0; i < d->note_count; i++)
    json_array_append_new(rows, wk_report_text(d->notes[i]));
  return rows;
}

static json_t *classes_json(const wk_check *c, const wk_dataset *d) {
  json_t *all = json_object();
  for (int i = 0; i < d->class_count; i++) {
    json_t *name = wk_report_text(d->classes[i]);
    json_object_set_new(all, json_string_value(name), json_integer((json_int_t)c->class_photos[i]));
    json_decref(name);
  }
  return all;
}

static json_t *counts_json(const wk_check *c) {
  json_t *all = json_object();
  for (int k = 0; k < WK_CHECK_KINDS; k++)
    json_object_set_new(all, wk_check_kind_name((wk_check_kind)k), json_integer((json_int_t)c->count[k]));
  return all;
}

static json_t *judged_json(const wk_check_report *r) {
  return json_pack("{s:I,s:o,s:o,s:o,s:o,s:I}", "photos", (json_int_t)r->judged, "right",
                   wk_report_number(r->right.value), "interval", r->judged ? wk_report_interval(r->right) : json_null(),
                   "exponent", wk_report_number(r->exponent), "left_out", wk_report_text(r->unjudged), "computed",
                   (json_int_t)r->computed_count);
}

char *wk_check_report_json(const wk_check_report *r) {
  const wk_check *c = r->check;
  return wk_report_print(
      json_pack("{s:I,s:I,s:[o,o,o],s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:f,s:o}", "files", (json_int_t)c->files, "usable",
                (json_int_t)c->usable, "verdict", wk_report_text(r->verdict[0]), wk_report_text(r->verdict[1]),
                wk_report_text(r->verdict[2]), "exclude", (json_int_t)r->exclude_count, "counts", counts_json(c),
                "findings", findings_json(c, r->data), "duplicates", groups_json(c, r->data, true), "look_alikes",
                groups_json(c, r->data, false), "classes", classes_json(c, r->data), "judged", judged_json(r), "notes",
                notes_json(r->data), "seconds", r->seconds, "warnings", wk_report_lines(&r->warnings)));
}

/* ---- the list ------------------------------------------------------------------------------------ */

static void add_cell(wk_text *t, const char *text, const char *after) {
  if (!text[strcspn(text, ",\"\n\r")] && text[0] != ' ') {
    wk_text_add(t, "%s%s", text, after);
    return;
  }
  wk_text_add(t, "\"");
  for (; *text; text++) {
    if (*text == '"')
      wk_text_add(t, "\"");
    wk_text_append(t, text, 1);
  }
  wk_text_add(t, "\"%s", after);
}

/* A file's name; bytes that are no UTF-8 as %XX, for a list is text. */
static void add_name(wk_text *t, const char *name, const char *after) {
  wk_text coded = {0};
  if (!wk_is_utf8(name, strlen(name))) {
    wk_byte_name_add(&coded, name);
    t->failed = t->failed || coded.failed;
  }
  add_cell(t, coded.data ? coded.data : name, after);
  wk_text_free(&coded);
}

/* A line for people. */
static void add_words(wk_text *t, const char *line, const char *after) {
  char *text = wk_utf8_text(line);
  t->failed = t->failed || !text;
  add_cell(t, text ? text : "", after);
  wk_free(text);
}

wk_status wk_check_write_list(const wk_check_report *r, const char *path, wk_error *err) {
  const wk_dataset *d = r->data;
  wk_text t = {0};
  WK_RETURN_IF_ERROR(wk_output_check_own(path, MARK, err));
  wk_text_add(&t, MARK "\n");
  for (size_t i = 0; i < r->check->finding_count; i++) {
    const wk_finding *f = &r->check->findings[i];
    const int label = f->photo == WK_NO_PHOTO ? -1 : d->photos[f->photo].label;
    add_name(&t, f->photo == WK_NO_PHOTO ? "" : wk_photo_below(d, f->photo), ",");
    add_cell(&t, wk_check_kind_name(f->kind), ",");
    add_cell(&t, label < 0 ? "" : d->classes[label], ",");
    add_cell(&t, f->suggested < 0 ? "" : d->classes[f->suggested], ",");
    add_name(&t, f->other == WK_NO_PHOTO ? "" : wk_photo_below(d, f->other), ",");
    wk_text_add(&t, "%.4f,%s,", f->score, f->exclude ? "yes" : "no");
    add_words(&t, f->what, "\n");
  }
  wk_status st = t.failed ? wk_no_memory(err) : wk_file_write(path, t.data, t.len, err);
  wk_text_free(&t);
  return st;
}
