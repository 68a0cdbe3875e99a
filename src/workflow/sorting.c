/* sorting.c - wk_sort_photos: see whisker/sorting.h. Watching is looking again whenever the system says that something
 * has changed: what decides is what lies in the folder and what is on the list, so no event that is missed and no crash
 * loses a photo. */
#include "whisker/sorting.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/softmax.h"
#include "workflow/filing.h"

enum {
  AT_ONCE = 256,        /* photos that are read before the first of them is filed */
  WAIT_MS = 200,        /* between looks whether to stop */
  QUIET_MS = 100,       /* more events are awaited for so long */
  LOOK_AGAIN_MS = 5000, /* without any event: file systems of other machines send none */
  MOST_BROKEN = 4096
};

static const wk_option option_rows[] = {
    {.name = "into",
     WK_ROW_TEXT(wk_sort_options, into),
     .placeholder = "FOLDER",
     .help = "where the photos are put: a class is a folder in it"},
    {.name = "copy", WK_ROW_BOOL(wk_sort_options, copy), .help = "copy photos instead of linking to them"},
    {.name = "threshold",
     WK_ROW_DOUBLE(wk_sort_options, threshold),
     .value = 0.5,
     .min = 0,
     .max = 1,
     .placeholder = "P",
     .help = "photos whose likeliest class is less likely than this are unsure"},
    {.name = "unsure",
     WK_ROW_TEXT(wk_sort_options, unsure),
     .text = "unsure",
     .placeholder = "NAME",
     .help = "folder of the unsure ones"},
    {.name = "watch",
     WK_ROW_BOOL(wk_sort_options, watch),
     .help = "go on as photos arrive, until Ctrl-C; photos that arrived meanwhile are found by the next call"},
    {0}};
static const wk_option_table option_table = {"sort_options", sizeof(wk_sort_options), option_rows, NULL};
const wk_option_table *wk_sort_options_table(void) { return &option_table; }

void wk_sort_options_init(wk_sort_options *o) { wk_options_init(o, &option_table); }

typedef struct sorting {
  wk_call call;
  const wk_sort_options *o;
  const wk_model *m;
  const char *photos;
  wk_sort_report *r;
  wk_filing *filing;
  char **folder; /* [labels] of a class */
  char **broken; /* "STAMP PATH" of what could not be read: not tried again until it changes */
  size_t broken_count;
} sorting;

/* ---- names ---------------------------------------------------------------------------------------- */

/* A class as the name of a folder. */
static char *folder_name(const char *label) {
  char *name = wk_strdup(*label ? label : "no name");
  for (char *c = name; c && *c; c++)
    if (*c == '/' || (unsigned char)*c < 0x20)
      *c = '_';
  if (name && name[0] == '.')
    name[0] = '_';
  return name;
}

static wk_status check_places(const sorting *k, wk_error *err) {
  char photos[PATH_MAX], into[PATH_MAX];
  if (!k->o->into || !*k->o->into)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "say where the photos are to be put: --into FOLDER");
  if (!k->o->unsure || !*k->o->unsure || strchr(k->o->unsure, '/') || k->o->unsure[0] == '.')
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the folder of the unsure photos needs a plain name, such as unsure");
  if (k->o->watch && !wk_path_is_dir(k->photos))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: only a folder can be watched", k->photos);
  if (!wk_path_is_dir(k->photos) || !realpath(k->photos, photos))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_mkdir_p(k->o->into, err));
  const size_t n = strlen(photos);
  if (realpath(k->o->into, into) && !strncmp(into, photos, n) && (into[n] == '/' || !into[n]))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "%s lies in %s: what is put there would be sorted again; name a folder beside it", k->o->into,
                   k->photos);
  return WK_OK;
}

/* ---- one look ------------------------------------------------------------------------------------- */

static char *mark_of(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 ? wk_asprintf("%lld %lld.%09ld %s", (long long)s.st_size, (long long)s.st_mtim.tv_sec,
                                           s.st_mtim.tv_nsec, path)
                             : wk_strdup(path);
}

static bool known_broken(const sorting *k, const char *path) {
  char *mark = k->broken_count ? mark_of(path) : NULL;
  bool known = false;
  for (size_t i = 0; mark && !known && i < k->broken_count; i++)
    known = !strcmp(k->broken[i], mark);
  wk_free(mark);
  return known;
}

static wk_status remember_broken(sorting *k, const char *path, wk_error *err) {
  k->r->broken_count++;
  if (!k->o->watch || k->broken_count == MOST_BROKEN)
    return WK_OK;
  char *mark = mark_of(path);
  if (!mark)
    return wk_no_memory(err);
  k->broken[k->broken_count++] = mark;
  return WK_OK;
}

static wk_status file_row(sorting *k, const char *path, const char *name, const float *p, wk_error *err) {
  const int best = wk_best_class(p, k->m->label_count, -1);
  const bool sure = (double)p[best] >= k->o->threshold;
  const char *folder = sure ? k->folder[best] : k->o->unsure;
  char *to = wk_asprintf("%s/%s", folder, wk_path_base(path));
  if (!to)
    return wk_no_memory(err);
  wk_status st = wk_filing_put(k->filing, path, to, !k->o->copy, err);
  wk_free(to);
  if (st != WK_OK)
    return st;
  k->r->filed_count++;
  k->r->unsure_count += !sure;
  k->r->label_photos[best] += sure;
  if (k->o->on_photo)
    k->o->on_photo(k->o->user, name, folder, (double)p[best]);
  return WK_OK;
}

static wk_status file_some(sorting *k, const char *const *path, const char *const *name, size_t n, wk_error *err) {
  wk_status st = WK_OK;
  wk_features *f = NULL;
  wk_features_options o;
  float *p = NULL;
  wk_session_features_options(&o, k->call.session);
  o.name = name;
  WK_TRY(wk_model_predict(&p, &f, k->m, path, n, &o, &k->call.ctx, err));
  for (size_t r = 0; r < f->rows; r++)
    WK_TRY(file_row(k, path[f->index[r]], name[f->index[r]], p + r * (size_t)k->m->label_count, err));
  for (size_t i = 0; i < n; i++)
    if (!f->usable[i])
      WK_TRY(remember_broken(k, path[i], err));
done:
  wk_free(p);
  wk_features_free(f);
  return st;
}

/* The photos that lie there and are not on the list. */
static wk_status look(sorting *k, bool may_be_empty, wk_error *err) {
  wk_status st = WK_OK;
  wk_error why = {0};
  wk_named_photos all = {0};
  const char **path = NULL, **name = NULL;
  size_t n = 0;
  st = wk_call_name_photos(&all, &k->call, &k->photos, 1, NULL, &why);
  if (st != WK_OK) {
    if (may_be_empty && (st == WK_ERR_FORMAT || st == WK_ERR_NOT_FOUND))
      st = WK_OK; /* nothing has arrived yet */
    else if (err)
      *err = why;
    goto done;
  }
  path = wk_alloc_array(all.count + 1, sizeof *path);
  name = wk_alloc_array(all.count + 1, sizeof *name);
  WK_FAIL_IF(!path || !name, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < all.count; i++)
    if (!wk_filing_has(k->filing, all.paths[i]) && !known_broken(k, all.paths[i])) {
      path[n] = all.paths[i];
      name[n++] = all.names[i];
    }
  for (size_t i = 0; i < n; i += AT_ONCE)
    WK_TRY(file_some(k, path + i, name + i, n - i < AT_ONCE ? n - i : AT_ONCE, err));
done:
  wk_free(path);
  wk_free(name);
  wk_named_photos_free(&all);
  return st;
}

/* ---- watching ------------------------------------------------------------------------------------- */

static void watch_folder(int fd, const char *folder) {
  inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
}

/* True: something has changed, or it is time to look all the same. */
static bool wait_for_change(int fd, const wk_context *ctx) {
  char events[4096];
  for (int waited = 0; waited < LOOK_AGAIN_MS; waited += WAIT_MS) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (wk_cancelled(ctx))
      return false;
    if (poll(&p, 1, WAIT_MS) <= 0)
      continue;
    do
      (void)!read(fd, events, sizeof events);
    while (poll(&p, 1, QUIET_MS) > 0 && !wk_cancelled(ctx));
    break;
  }
  return !wk_cancelled(ctx);
}

/* Folders in the folder are watched as well: those that a photo came from lately are among the names. */
static wk_status watch(sorting *k, wk_error *err) {
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0)
    return WK_FAIL(err, WK_ERR_IO, "%s: cannot be watched: %s", k->photos, strerror(errno));
  wk_status st = WK_OK;
  watch_folder(fd, k->photos);
  do
    st = look(k, true, err);
  while (st == WK_OK && wait_for_change(fd, &k->call.ctx));
  close(fd);
  return st == WK_ERR_CANCELLED ? WK_OK : st;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static wk_status prepare(sorting *k, wk_error *err) {
  const wk_model *m = k->m;
  if (!m->label_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "this network has no classes to sort by: train a head for it");
  WK_RETURN_IF_ERROR(wk_options_validate(k->o, &option_table, err));
  WK_RETURN_IF_ERROR(check_places(k, err));
  k->r = wk_calloc(1, sizeof *k->r);
  k->folder = wk_calloc((size_t)m->label_count + 1, sizeof *k->folder);
  k->broken = wk_calloc(MOST_BROKEN, sizeof *k->broken);
  if (!k->r || !k->folder || !k->broken)
    return wk_no_memory(err);
  k->r->labels = wk_calloc((size_t)m->label_count + 1, sizeof *k->r->labels);
  k->r->label_photos = wk_calloc((size_t)m->label_count + 1, sizeof *k->r->label_photos);
  if (!k->r->labels || !k->r->label_photos)
    return wk_no_memory(err);
  for (; k->r->label_count < m->label_count; k->r->label_count++) {
    const int c = k->r->label_count;
    k->folder[c] = folder_name(m->labels[c]);
    k->r->labels[c] = wk_strdup(m->labels[c]);
    if (!k->folder[c] || !k->r->labels[c]) {
      wk_free(k->r->labels[c]);
      return wk_no_memory(err);
    }
  }
  WK_RETURN_IF_ERROR(wk_filing_open(&k->filing, k->o->into, err));
  k->r->before_count = wk_filing_count(k->filing);
  return WK_OK;
}

wk_status wk_sort_photos(wk_sort_report **out, wk_session *s, const wk_model *m, const char *photos,
                         const wk_sort_options *o, wk_error *err) {
  WK_NEED(err, out, s, m, photos, o);
  wk_status st = WK_OK;
  sorting k = {.o = o, .m = m, .photos = photos};
  wk_call_begin(&k.call, s);
  WK_TRY(prepare(&k, err));
  WK_TRY(o->watch ? watch(&k, err) : look(&k, false, err));
  WK_TRY(wk_call_take_warnings(&k.r->warnings, &k.call, err));
  *out = k.r;
  k.r = NULL;
done:
  if (st != WK_OK && k.r && k.r->filed_count)
    st = wk_error_prefix(err, st,
                         "after %zu photos, which are on the list of %s (`whisker sort --undo` takes them away)",
                         k.r->filed_count, o->into);
  for (int c = 0; k.folder && c < m->label_count; c++)
    wk_free(k.folder[c]);
  for (size_t i = 0; i < k.broken_count; i++)
    wk_free(k.broken[i]);
  wk_free(k.folder);
  wk_free(k.broken);
  wk_filing_close(k.filing);
  wk_sort_report_free(k.r);
  wk_call_end(&k.call);
  return st;
}

wk_status wk_sort_undo(size_t *removed, size_t *kept, wk_session *s, const char *folder, wk_error *err) {
  WK_NEED(err, s, folder);
  wk_status st = WK_OK;
  wk_call call;
  wk_filing *f = NULL;
  size_t gone = 0, stayed = 0;
  wk_call_begin(&call, s);
  char *list = wk_path_join(folder, WK_FILING_LIST);
  WK_FAIL_IF(!list, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(!wk_path_exists(list), err, WK_ERR_NOT_FOUND, "%s: holds no list of photos that were put there (%s)",
             folder, WK_FILING_LIST);
  WK_TRY(wk_filing_open(&f, folder, err));
  WK_TRY(wk_filing_undo(&gone, &stayed, f, &call.ctx, err));
  if (removed)
    *removed = gone;
  if (kept)
    *kept = stayed;
done:
  wk_free(list);
  wk_call_end(&call);
  return st;
}

void wk_sort_report_free(wk_sort_report *r) {
  if (!r)
    return;
  for (int c = 0; c < r->label_count; c++)
    wk_free(r->labels[c]);
  wk_free(r->labels);
  wk_free(r->label_photos);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

char *wk_sort_report_json(const wk_sort_report *r) {
  json_t *classes = json_object();
  for (int c = 0; c < r->label_count; c++) {
    json_t *name = wk_report_text(r->labels[c]);
    json_object_set_new(classes, json_string_value(name), json_integer((json_int_t)r->label_photos[c]));
    json_decref(name);
  }
  return wk_report_print(json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "filed", (json_int_t)r->filed_count, "unsure",
                                   (json_int_t)r->unsure_count, "before", (json_int_t)r->before_count, "broken",
                                   (json_int_t)r->broken_count, "classes", classes, "warnings",
                                   wk_report_lines(&r->warnings)));
}
