/* common.c - steps that several commands take. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

const char *const cli_head_names[] = {"linear", "knn", "mean", NULL};

char *cli_join(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char *s = malloc(n + m + 2);
  if (!s)
    return NULL;
  memcpy(s, a, n);
  bool slash = n && a[n - 1] != '/' && m;
  if (slash)
    s[n] = '/';
  memcpy(s + n + slash, b, m + 1);
  return s;
}

wk_status cli_error(wk_error *err, wk_status code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(err->message, sizeof err->message, fmt, args);
  va_end(args);
  err->code = code;
  return code;
}

wk_status cli_no_memory(wk_error *err) { return cli_error(err, WK_ERR_MEMORY, "out of memory"); }

void cli_dataset_options(wk_dataset_options *o, const cli *c) {
  wk_dataset_options_init(o);
  o->unpack_folder = c->unpacked;
  o->ctx = &c->ctx;
}

bool cli_is_collection(const char *path) {
  static const char *const ending[] = {".csv", ".tsv", ".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2"};
  struct stat st;
  size_t n = strlen(path);
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return true;
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
    if (n > strlen(ending[i]) && !strcasecmp(path + n - strlen(ending[i]), ending[i]))
      return true;
  return false;
}

bool cli_photos_of(cli_photos *out, const wk_dataset *d, wk_split split) {
  cli_photos p = {malloc((d->photo_count + 1) * sizeof *p.path), malloc((d->photo_count + 1) * sizeof *p.name),
                  malloc((d->photo_count + 1) * sizeof *p.label), 0};
  if (!p.path || !p.name || !p.label) {
    cli_photos_free(&p);
    return false;
  }
  for (size_t i = 0; i < d->photo_count; i++)
    if (split == WK_SPLIT_ALL || d->photos[i].split == split) {
      p.path[p.n] = d->photos[i].path;
      p.name[p.n] = d->photos[i].name;
      p.label[p.n++] = d->photos[i].label;
    }
  *out = p;
  return true;
}

bool cli_test_photos(cli_photos *out, const wk_dataset *d, int most) {
  static const wk_split order[] = {WK_SPLIT_TEST, WK_SPLIT_VAL, WK_SPLIT_ALL};
  for (int i = 0; i < 3; i++) {
    if (!cli_photos_of(out, d, order[i]))
      return false;
    if (out->n)
      break;
    cli_photos_free(out);
  }
  int *seen = most ? calloc((size_t)d->class_count + 1, sizeof *seen) : NULL;
  if (most && !seen)
    return false;
  size_t kept = 0;
  for (size_t i = 0; i < out->n; i++)
    if (!most || seen[out->label[i]]++ < most) {
      out->path[kept] = out->path[i];
      out->name[kept] = out->name[i];
      out->label[kept++] = out->label[i];
    }
  out->n = kept;
  free(seen);
  return true;
}

void cli_photos_free(cli_photos *p) {
  free(p->path);
  free(p->name);
  free(p->label);
  *p = (cli_photos){0};
}

/* Everything whisker writes says so within its first few lines, or the first entries of a safetensors header. */
static bool is_marked(const char *path, const char *mark) {
  char head[4096];
  FILE *f = fopen(path, "rb");
  if (!f)
    return false;
  size_t n = fread(head, 1, sizeof head, f);
  fclose(f);
  return n == 0 || memmem(head, n, mark, strlen(mark)); /* nothing is lost with an empty file */
}

wk_status cli_check_own(const char *path, const char *mark, wk_error *err) {
  struct stat st;
  if (stat(path, &st) != 0 || (S_ISREG(st.st_mode) && is_marked(path, mark)))
    return WK_OK;
  if (S_ISDIR(st.st_mode))
    return cli_error(err, WK_ERR_IO, "%s: a file is to be written there, but it is a folder; give another name with -o",
                     path);
  return cli_error(err, WK_ERR_IO,
                   "%s: is there already and not whisker's own; it stays as it is. Move it, or give another name with "
                   "-o",
                   path);
}

bool cli_is_png(const char *path) {
  const size_t n = strlen(path);
  return n > 4 && !strcmp(path + n - 4, ".png");
}

char *cli_beside(const char *path, const char *ending) {
  const char *dot = strrchr(path, '.');
  const size_t n = dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path);
  char *beside = malloc(strlen(path) + strlen(ending) + 1);
  if (beside)
    sprintf(beside, "%.*s%s%s", (int)n, path, ending, path + n);
  return beside;
}

wk_status cli_check_beside(const char *path, const char *ending, wk_error *err) {
  char *beside = cli_beside(path, ending);
  wk_status st = beside ? cli_check_own(beside, "whisker", err) : cli_no_memory(err);
  free(beside);
  return st;
}

wk_status cli_check_output(const char *path, bool model, wk_error *err) {
  struct stat st;
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode))
      return cli_error(err, WK_ERR_IO, "%s: is a folder; give the name of a file to write with -o", path);
    if (model && S_ISREG(st.st_mode) && !is_marked(path, "\"whisker.arch\""))
      return cli_error(err, WK_ERR_IO, "%s: exists and is not a model; it stays as it is. Give another name with -o",
                       path);
    wk_status own = !model && cli_is_png(path) && S_ISREG(st.st_mode) ? cli_check_own(path, "whisker", err) : WK_OK;
    if (own != WK_OK)
      return own;
  }
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
  if (!folder)
    return cli_no_memory(err);
  wk_status status = WK_OK;
  if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
    status = cli_error(err, WK_ERR_NOT_FOUND, "%s: the folder %s does not exist; make it first", path, folder);
  else if (access(folder, W_OK) != 0)
    status =
        cli_error(err, WK_ERR_IO, "%s: nothing can be written in the folder %s (%s)", path, folder, strerror(errno));
  free(folder);
  return status;
}
