/* output.c - see whisker/output.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "whisker/output.h"
#include "workflow/workflow.h"

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

wk_status wk_output_check_own(const char *path, const char *mark, wk_error *err) {
  struct stat st;
  if (stat(path, &st) != 0 || (S_ISREG(st.st_mode) && is_marked(path, mark)))
    return WK_OK;
  if (S_ISDIR(st.st_mode))
    return WK_FAIL(err, WK_ERR_IO, "%s: a file is to be written there, but it is a folder; give another name with -o",
                   path);
  return WK_FAIL(err, WK_ERR_IO,
                 "%s: is there already and not whisker's own; it stays as it is. Move it, or give another name with "
                 "-o",
                 path);
}

bool wk_output_is_png(const char *path) {
  const size_t n = strlen(path);
  return n > 4 && !strcmp(path + n - 4, ".png");
}

char *wk_output_beside(const char *path, const char *ending) {
  const char *dot = strrchr(path, '.');
  const size_t n = dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path);
  char *beside = wk_alloc(strlen(path) + strlen(ending) + 1);
  if (beside)
    sprintf(beside, "%.*s%s%s", (int)n, path, ending, path + n);
  return beside;
}

wk_status wk_output_check_beside(const char *path, const char *ending, wk_error *err) {
  char *beside = wk_output_beside(path, ending);
  wk_status st = beside ? wk_output_check_own(beside, "whisker", err) : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  wk_free(beside);
  return st;
}

wk_status wk_output_check(const char *path, bool model, wk_error *err) {
  struct stat st;
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode))
      return WK_FAIL(err, WK_ERR_IO, "%s: is a folder; give the name of a file to write with -o", path);
    if (model && S_ISREG(st.st_mode) && !is_marked(path, "\"whisker.arch\""))
      return WK_FAIL(err, WK_ERR_IO, "%s: exists and is not a model; it stays as it is. Give another name with -o",
                     path);
    wk_status own =
        !model && wk_output_is_png(path) && S_ISREG(st.st_mode) ? wk_output_check_own(path, "whisker", err) : WK_OK;
    if (own != WK_OK)
      return own;
  }
  const char *slash = strrchr(path, '/');
  char *folder = slash ? wk_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : wk_strdup(".");
  if (!folder)
    return wk_no_memory(err);
  wk_status status = WK_OK;
  if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
    status = WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: the folder %s does not exist; make it first", path, folder);
  else if (access(folder, W_OK) != 0)
    status = WK_FAIL(err, WK_ERR_IO, "%s: nothing can be written in the folder %s (%s)", path, folder, strerror(errno));
  wk_free(folder);
  return status;
}
