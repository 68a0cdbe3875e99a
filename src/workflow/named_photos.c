/* named_photos.c - photos as they are named on a command line: files, folders, lists and archives, and where that is
 * allowed web addresses, standard input, and each frame of a film. What had to be fetched lies in a folder of its own
 * until the photos are freed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "data/packed.h"
#include "workflow/workflow.h"
#include "zoo/fetch.h"

/* A folder, a list or an archive, rather than a single photo? */
static bool is_collection(const char *path) {
  static const char *const ending[] = {".csv", ".tsv", ".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2"};
  size_t n = strlen(path);
  if (wk_path_is_dir(path))
    return true;
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
    if (n > strlen(ending[i]) && !strcasecmp(path + n - strlen(ending[i]), ending[i]))
      return true;
  return false;
}

static const wk_option option_rows[] = {{.name = "fetch",
                                         WK_ROW_BOOL(wk_name_options, fetch),
                                         .flags = WK_OPTION_NO_FLAG,
                                         .help = "web addresses are fetched, - is standard input"},
                                        {.name = "frames",
                                         WK_ROW_BOOL(wk_name_options, frames),
                                         .help = "each frame of a film and each page of a TIFF is a photo, not the "
                                                 "first alone"},
                                        {0}};
const wk_option_table wk_name_table = {"name_options", sizeof(wk_name_options), option_rows, NULL};

/* The photos so far. */
typedef struct opening {
  wk_named_photos *out;
  const wk_session *session;
  const wk_context *ctx;
  const wk_name_options *o;
  size_t cap;
  bool only; /* one name was given: without it there is nothing to do */
} opening;

static wk_status add(opening *k, const char *path, const char *name, wk_error *err) {
  wk_named_photos *p = k->out;
  if (p->count == k->cap) {
    const size_t cap = k->cap ? 2 * k->cap : 64;
    const char **grown = wk_grow(p->paths, p->count * sizeof *grown, cap * sizeof *grown);
    if (!grown)
      return wk_no_memory(err);
    p->paths = grown;
    if (!(grown = wk_grow(p->names, p->count * sizeof *grown, cap * sizeof *grown)))
      return wk_no_memory(err);
    p->names = grown;
    k->cap = cap;
  }
  p->paths[p->count] = path;
  p->names[p->count++] = name;
  return WK_OK;
}

/* Keeps a text (NULL: no memory) as long as the photos. */
static wk_status keep(const char **out, opening *k, char *text, wk_error *err) {
  *out = text;
  return wk_lines_add(&k->out->texts, text) ? WK_OK : wk_no_memory(err);
}

/* One photo, or its frames. One that cannot be read is told when its turn comes. */
static wk_status add_photo(opening *k, const char *path, const char *name, wk_error *err) {
  int frames = 1;
  wk_error why = {0};
  if (k->o->frames) {
    const wk_status st = wk_photo_frames(&frames, path, &why);
    if (st == WK_ERR_MEMORY)
      return WK_FAIL(err, st, "%s", why.message);
    if (st != WK_OK && frames > 1)
      return WK_FAIL(err, st, "%s", why.message);
  }
  if (frames < 2)
    return add(k, path, name, err);
  for (int i = 0; i < frames; i++) {
    const char *at, *shown;
    WK_RETURN_IF_ERROR(keep(&at, k, wk_frame_path(path, i), err));
    WK_RETURN_IF_ERROR(keep(&shown, k, wk_asprintf("%s#%d", name, i + 1), err));
    WK_RETURN_IF_ERROR(add(k, at, shown, err));
  }
  return WK_OK;
}

static wk_status add_collection(opening *k, const char *path, wk_error *err) {
  wk_dataset *d = NULL;
  wk_dataset_options o;
  wk_session_dataset_options(&o, k->session);
  o.allow_unlabelled = true;
  o.ctx = k->ctx;
  WK_RETURN_IF_ERROR(wk_dataset_open(&d, path, &o, err));
  k->out->sets[k->out->set_count++] = d;
  for (size_t i = 0; i < d->photo_count; i++)
    WK_RETURN_IF_ERROR(add_photo(k, d->photos[i].path, d->photos[i].name, err));
  return WK_OK;
}

/* ---- what is no file yet ----------------------------------------------------------------------- */

/* A place for the next file that is fetched. */
static wk_status next_file(const char **file, opening *k, wk_error *err) {
  wk_named_photos *p = k->out;
  const char *below = wk_session_scratch_folder(k->session);
  if (!p->folder) {
    WK_RETURN_IF_ERROR(wk_mkdir_p(below, err));
    char *folder = wk_asprintf("%s/fetched-XXXXXX", below);
    if (!folder)
      return wk_no_memory(err);
    if (!mkdtemp(folder)) {
      const int why = errno;
      wk_free(folder);
      return WK_FAIL(err, WK_ERR_IO, "%s: no folder can be made here for what is fetched: %s", below, strerror(why));
    }
    p->folder = folder;
  }
  WK_RETURN_IF_ERROR(keep(file, k, wk_asprintf("%s/%zu", p->folder, p->fetched_count), err));
  p->fetched_count++;
  return WK_OK;
}

static wk_status read_input(const char *file, wk_error *err) {
  wk_status st = WK_OK;
  wk_writer *w = NULL;
  uint64_t size = 0;
  char bytes[1 << 16];
  WK_TRY(wk_writer_open(&w, file, err));
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR)
      continue;
    WK_FAIL_IF(n < 0, err, WK_ERR_IO, "standard input cannot be read: %s", strerror(errno));
    if (n == 0)
      break;
    size += (uint64_t)n;
    WK_FAIL_IF(size > WK_WEB_PHOTO_MAX, err, WK_ERR_FORMAT,
               "standard input has more than the %llu bytes that are allowed", (unsigned long long)WK_WEB_PHOTO_MAX);
    WK_TRY(wk_writer_write(w, bytes, (size_t)n, err));
  }
  WK_FAIL_IF(!size, err, WK_ERR_FORMAT,
             "standard input is empty; a photo was expected, as in `cat PHOTO | whisker ... -`");
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  if (w)
    wk_writer_abort(w);
  return st;
}

static wk_status add_fetched(opening *k, const char *name, wk_error *err) {
  const char *file = NULL;
  const bool input = strcmp(name, "-") == 0;
  wk_error why = {0};
  WK_RETURN_IF_ERROR(next_file(&file, k, err));
  const wk_status st = input ? read_input(file, &why) : wk_web_fetch(name, file, k->ctx, &why);
  if (st == WK_ERR_MEMORY || st == WK_ERR_CANCELLED || (st != WK_OK && k->only))
    return WK_FAIL(err, st, "%s", why.message);
  if (st != WK_OK) {
    wk_warn(k->ctx, "%s", why.message);
    return wk_lines_add(&k->out->lost, wk_strdup(name)) ? WK_OK : wk_no_memory(err);
  }
  return add_photo(k, file, input ? "standard input" : name, err);
}

/* ---- all of them ------------------------------------------------------------------------------- */

wk_status wk_call_name_photos(wk_named_photos *out, wk_call *call, const char *const *name, size_t names,
                              const wk_name_options *o, wk_error *err) {
  const wk_name_options none = {0};
  opening k = {.out = out, .session = call->session, .ctx = &call->ctx, .o = o ? o : &none, .only = names == 1};
  out->sets = wk_calloc(names + 1, sizeof *out->sets);
  if (!out->sets)
    return wk_no_memory(err);
  for (size_t i = 0; i < names; i++) {
    if (wk_is_web_address(name[i]) && !k.o->fetch)
      return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s: this is a web address; save the photo and give the file", name[i]);
    const bool fetch = k.o->fetch && (wk_is_web_address(name[i]) || strcmp(name[i], "-") == 0);
    WK_RETURN_IF_ERROR(fetch                    ? add_fetched(&k, name[i], err)
                       : is_collection(name[i]) ? add_collection(&k, name[i], err)
                                                : add_photo(&k, name[i], name[i], err));
  }
  return WK_OK;
}

void wk_named_photos_free(wk_named_photos *p) {
  if (!p)
    return;
  for (size_t i = 0; p->folder && i < p->fetched_count; i++) {
    char *file = wk_asprintf("%s/%zu", p->folder, i);
    if (file)
      unlink(file);
    wk_free(file);
  }
  if (p->folder)
    rmdir(p->folder);
  wk_free(p->folder);
  for (size_t i = 0; i < p->set_count; i++)
    wk_dataset_free(p->sets[i]);
  wk_free(p->sets);
  wk_lines_free(&p->texts);
  wk_lines_free(&p->lost);
  wk_free(p->paths);
  wk_free(p->names);
  *p = (wk_named_photos){0};
}
