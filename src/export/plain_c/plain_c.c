/* plain_c.c - the writer of plain C: one header and one file of weights, and what proves them. */
#include <ctype.h>
#include <string.h>

#include "export/plain_c/program.h"

/* The names in the header begin with the file's own, as far as C allows: "my-cats.h" gives my_cats. */
static char *prefix_of(const char *path) {
  const char *base = wk_path_base(path), *dot = strrchr(base, '.');
  const int n = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
  char *prefix = wk_asprintf("%s%.*s", isdigit((unsigned char)*base) ? "net_" : "", n, base);
  for (char *c = prefix; c && *c; c++)
    if ((unsigned char)*c >= 0x80 || !isalnum((unsigned char)*c))
      *c = '_';
  return prefix;
}

/* "cats.h" to "cats.weights". */
static char *weights_path(const char *path) {
  const char *base = wk_path_base(path), *dot = strrchr(base, '.');
  return wk_asprintf("%.*s.weights", dot && dot > base ? (int)(dot - path) : (int)strlen(path), path);
}

/* A file of that name that is not ours stays. */
static wk_status check_weights(const char *path, wk_error *err) {
  wk_file_view file;
  if (!wk_path_exists(path))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_file_map(&file, path, err));
  const bool ours = file.size >= WK_C_HEAD && memcmp(file.data, "WKC1", 4) == 0;
  wk_file_unmap(&file);
  return ours ? WK_OK
              : WK_FAIL(err, WK_ERR_IO, "%s: is there already and not whisker's own; give another name with -o", path);
}

wk_status wk_export_plain_c(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_c_program p;
  wk_c_quant *quant = NULL;
  char *prefix = prefix_of(job->path), *weights = weights_path(job->path);
  WK_FAIL_IF(!prefix || !weights, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(check_weights(weights, err));
  if (job->range)
    WK_TRY(wk_c_quantise(&quant, job->net, job->range, err));
  WK_TRY(wk_c_program_make(&p, job->net, quant, err));
  WK_TRY(wk_c_weights_write(&p, weights, err));
  WK_TRY(wk_c_print(&p, job->path, prefix, wk_path_base(weights), err));
done:
  wk_free(prefix);
  wk_free(weights);
  return st;
}

wk_status wk_export_plain_c_run(float *logits, const wk_export_job *job, const uint8_t *rgb, wk_error *err) {
  wk_status st = WK_OK;
  wk_c_program p;
  wk_c_quant *quant = NULL;
  const size_t layers = (size_t)job->net->layers;
  wk_file_view file = {0};
  char *weights = weights_path(job->path);
  WK_FAIL_IF(!weights, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(wk_file_map(&file, weights, err));
  if (job->o && job->o->precision == WK_EXPORT_INT8) {
    quant = wk_net_alloc(job->net, layers, sizeof *quant);
    WK_FAIL_IF(!quant, err, WK_ERR_MEMORY, "out of memory for an export");
    WK_FAIL_IF(file.size < WK_C_HEAD + layers * sizeof *quant, err, WK_ERR_FORMAT, "%s: is cut short", weights);
    memcpy(quant, file.data + WK_C_HEAD, layers * sizeof *quant);
  }
  WK_TRY(wk_c_program_make(&p, job->net, quant, err));
  WK_FAIL_IF(file.size != p.weight_bytes, err, WK_ERR_FORMAT, "%s: %zu bytes were written, but there are %zu", weights,
             p.weight_bytes, file.size);
  WK_TRY(wk_c_replay(logits, &p, file.data, rgb, err));
done:
  if (file.data)
    wk_file_unmap(&file);
  wk_free(weights);
  return st;
}
