/* model_edit.c - models that live on: a class gets another name, goes, or becomes one with another. Renaming and
 * removing change the head as it is; merging fits it anew, from kept features (roster.h). */
#include <string.h>

#include "whisker/output.h"
#include "whisker/training.h"
#include "workflow/roster.h"

/* One change as it is made. */
typedef struct editing {
  wk_call call;
  const char *path, *out; /* the model's file, and the one to write */
  wk_model *m;
  const char *records; /* folder; NULL: nothing is kept */
  wk_roster *roster;   /* NULL: there is no record of it */
} editing;

static wk_status open_editing(editing *e, wk_session *s, const char *path, const char *out, bool need_roster,
                              wk_error *err) {
  wk_features_options kept;
  wk_error why = {0};
  *e = (editing){.path = path, .out = out ? out : path};
  wk_call_begin(&e->call, s);
  wk_session_features_options(&kept, s);
  e->records = kept.cache_folder;
  WK_RETURN_IF_ERROR(wk_output_check(e->out, true, err));
  WK_RETURN_IF_ERROR(wk_call_open_model(&e->m, &e->call, path, NULL, err));
  if (!e->m->head)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: has no head of its own whose classes could change; train one first",
                   path);
  wk_status st = wk_roster_read(&e->roster, e->records, path, &why);
  if (st == WK_OK || (!need_roster && st != WK_ERR_MEMORY))
    return WK_OK;
  return WK_FAIL(err, st, "%s", why.message);
}

static void close_editing(editing *e) {
  wk_model_free(e->m);
  wk_roster_free(e->roster);
  wk_call_end(&e->call);
}

/* The class of exactly that name; what is only like it is no reason to change a model. */
static wk_status find_class(int *out, const wk_model *m, const char *name, wk_error *err) {
  int like;
  for (int c = 0; c < m->label_count; c++)
    if (!strcmp(m->labels[c], name)) {
      *out = c;
      return WK_OK;
    }
  WK_RETURN_IF_ERROR(wk_model_class(&like, m, name, err));
  return WK_FAIL(err, WK_ERR_NOT_FOUND, "there is no class \"%s\"; \"%s\" is the one most like it", name,
                 m->labels[like]);
}

/* Writes into the recipe what was changed. */
static wk_status note_change(wk_model *m, char *what, wk_error *err) {
  json_t *recipe = what ? json_loads(m->recipe, 0, NULL) : NULL, *changes = json_object_get(recipe, "changes");
  if (recipe && !json_is_array(changes)) {
    changes = json_array();
    json_object_set_new(recipe, "changes", changes);
  }
  if (recipe)
    json_array_append_new(changes, wk_report_text(what));
  char *text = recipe ? wk_report_compact(recipe) : NULL;
  wk_free(what);
  if (!text)
    return wk_no_memory(err);
  wk_free(m->recipe);
  m->recipe = text;
  return WK_OK;
}

/* The class of a record that the model's class is; -1: the record does not know it. */
static int class_of_roster(const wk_roster *r, const char *name) {
  for (int c = 0; r && c < r->data->class_count; c++)
    if (!strcmp(r->data->classes[c], name))
      return c;
  return -1;
}

/* As the model was saved when it was trained, with its weights or without, as far as that is on record. */
static wk_status save(editing *e, wk_error *err) {
  wk_train_options o;
  wk_train_options_init(&o, WK_TRAIN_PROBE);
  if (e->roster)
    WK_RETURN_IF_ERROR(wk_roster_options(&o, e->roster, err));
  WK_RETURN_IF_ERROR(wk_model_save(e->m, e->out, o.light, err));
  if (!e->roster)
    return WK_OK;
  return wk_roster_write(e->records, e->out, e->roster->data, (const uint8_t(*)[WK_SHA256_BYTES])e->roster->sha256, &o,
                         e->roster->seed, err);
}

wk_status wk_model_rename_class(wk_session *s, const char *model, const char *class, const char *to, const char *out,
                                wk_error *err) {
  WK_NEED(err, s, model, class, to);
  wk_status st = WK_OK;
  editing e;
  int c = 0;
  WK_TRY(open_editing(&e, s, model, out, false, err));
  WK_TRY(find_class(&c, e.m, class, err));
  WK_FAIL_IF(!*to, err, WK_ERR_ARGUMENT, "a class needs a name");
  for (const char *at = to; *at; at++)
    WK_FAIL_IF((unsigned char)*at < 0x20 || *at == 0x7f, err, WK_ERR_ARGUMENT,
               "the name of a class holds no control characters");
  for (int k = 0; k < e.m->label_count; k++)
    WK_FAIL_IF(!strcmp(e.m->labels[k], to), err, WK_ERR_ARGUMENT,
               "%s has a class \"%s\" already; `whisker model merge` makes one of two classes", model, to);
  const int of_roster = class_of_roster(e.roster, class);
  char *name = wk_strdup(to), *again = wk_strdup(to);
  if (!name || !again) {
    wk_free(name);
    wk_free(again);
    st = wk_no_memory(err);
    goto done;
  }
  WK_TRY(note_change(e.m, wk_asprintf("class \"%s\" is called \"%s\"", class, to), err));
  wk_free(e.m->labels[c]);
  e.m->labels[c] = name;
  if (of_roster >= 0) {
    wk_free(e.roster->data->classes[of_roster]);
    e.roster->data->classes[of_roster] = again;
  } else {
    wk_free(again);
  }
  WK_TRY(save(&e, err));
done:
  close_editing(&e);
  return st;
}

/* What is left answers as if the class had never been asked for: its row, or its examples, go. */
static wk_status drop_class(wk_model *m, int class, wk_error *err) {
  wk_head *h = m->head;
  const size_t width = (size_t)h->feature_count;
  if (h->kind == WK_HEAD_KNN) {
    int kept = 0;
    for (int i = 0; i < h->examples; i++) {
      if (h->example_label[i] == class)
        continue;
      memmove(h->weight + (size_t)kept * width, h->weight + (size_t)i * width, width * sizeof *h->weight);
      h->example_label[kept++] = h->example_label[i] - (h->example_label[i] > class);
    }
    if (!kept)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "no example of another class is left");
    h->examples = kept;
  } else {
    const size_t behind = (size_t)(h->class_count - class - 1), at = (size_t) class;
    memmove(h->weight + at * width, h->weight + (at + 1) * width, behind * width * sizeof *h->weight);
    if (h->kind == WK_HEAD_LINEAR)
      memmove(h->bias + at, h->bias + at + 1, behind * sizeof *h->bias);
  }
  h->class_count--;
  wk_free(m->labels[class]);
  memmove(m->labels + class, m->labels + class + 1, (size_t)(m->label_count - class - 1) * sizeof *m->labels);
  m->label_count--;
  return WK_OK;
}

/* Its photos leave the record; a photo without a class is not learned from. */
static void forget_class(wk_roster *r, int class) {
  wk_dataset *d = r->data;
  size_t kept = 0;
  for (size_t i = 0; i < d->photo_count; i++) {
    if (d->photos[i].label == class) {
      wk_free(d->photos[i].path);
      wk_free(d->photos[i].name);
      continue;
    }
    d->photos[kept] = d->photos[i];
    d->photos[kept].label -= d->photos[kept].label > class;
    memmove(r->sha256[kept++], r->sha256[i], sizeof *r->sha256);
  }
  d->photo_count = kept;
  wk_free(d->classes[class]);
  memmove(d->classes + class, d->classes + class + 1, (size_t)(d->class_count - class - 1) * sizeof *d->classes);
  d->class_count--;
}

wk_status wk_model_remove_class(wk_session *s, const char *model, const char *class, const char *out, wk_error *err) {
  WK_NEED(err, s, model, class);
  wk_status st = WK_OK;
  editing e;
  int c = 0;
  WK_TRY(open_editing(&e, s, model, out, false, err));
  WK_TRY(find_class(&c, e.m, class, err));
  WK_FAIL_IF(e.m->label_count < 3, err, WK_ERR_ARGUMENT,
             "%s has %d classes; telling things apart takes at least two, so none can go", model, e.m->label_count);
  WK_TRY(note_change(e.m, wk_asprintf("class \"%s\" is gone", class), err));
  const int of_roster = class_of_roster(e.roster, class);
  WK_TRY(drop_class(e.m, c, err));
  if (of_roster >= 0)
    forget_class(e.roster, of_roster);
  WK_TRY(save(&e, err));
done:
  close_editing(&e);
  return st;
}

wk_status wk_model_merge_classes(wk_train_report **report, wk_session *s, const char *model, const char *const *class,
                                 int count, const char *to, const char *out, wk_error *err) {
  WK_NEED(err, s, model, class);
  wk_status st = WK_OK;
  editing e;
  int c = 0;
  wk_dataset *d = NULL;
  bool *merged = NULL;
  WK_TRY(open_editing(&e, s, model, out, true, err));
  WK_FAIL_IF(count < 2, err, WK_ERR_ARGUMENT, "merging takes at least two classes");
  d = e.roster->data;
  merged = wk_calloc((size_t)d->class_count + 1, sizeof *merged);
  WK_FAIL_IF(!merged, err, WK_ERR_MEMORY, "out of memory");
  for (int i = 0; i < count; i++) {
    WK_TRY(find_class(&c, e.m, class[i], err));
    const int k = class_of_roster(e.roster, class[i]);
    WK_FAIL_IF(k < 0 || merged[k], err, WK_ERR_ARGUMENT, "the class \"%s\" is named twice, or not on record", class[i]);
    merged[k] = true;
  }
  int left = 0, into = -1;
  for (int k = 0; k < d->class_count; k++) {
    left += !merged[k];
    into = merged[k] && into < 0 ? k : into;
    WK_FAIL_IF(!merged[k] && to && !strcmp(d->classes[k], to), err, WK_ERR_ARGUMENT,
               "%s has another class \"%s\"; name it as well, or give the merged one another name", model, to);
  }
  WK_FAIL_IF(left < 1, err, WK_ERR_ARGUMENT, "these are all classes of %s; nothing could be told apart", model);
  char *name = wk_strdup(to ? to : class[0]);
  WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < d->photo_count; i++)
    if (d->photos[i].label >= 0 && merged[d->photos[i].label])
      d->photos[i].label = into;
  wk_free(d->classes[into]);
  d->classes[into] = name;
  for (int k = d->class_count - 1; k >= 0; k--)
    if (merged[k] && k != into)
      forget_class(e.roster, k);
  WK_TRY(wk_train_roster(report, s, model, e.roster, e.out, err));
done:
  wk_free(merged);
  close_editing(&e);
  return st;
}
