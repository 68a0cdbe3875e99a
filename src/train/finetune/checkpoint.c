/* checkpoint.c - a run between two epochs, as a safetensors file: arrays as they are, numbers as doubles, so that what
 * is read back is what was written, to the bit. */
#include <string.h>

#include "train/finetune/finetune_parts.h"
#include "whisker/formats.h"

#define KEY "whisker.tune"
#define FORMAT "2"

enum { NUMBERS = 11, EPOCH_NUMBERS = 10 };

typedef struct entry {
  const char *name;
  float *data;
  size_t count;
} entry;

enum { MOST_ENTRIES = 8 };

static int entries_of(entry *e, const wk_checkpoint *s) {
  int n = 0;
  e[n++] = (entry){"param", s->param, s->params};
  e[n++] = (entry){"stat", s->stat, s->stats};
  e[n++] = (entry){"average", s->average, s->params};
  e[n++] = (entry){"average_stat", s->average_stat, s->stats};
  e[n++] = (entry){"best", s->best, s->params};
  e[n++] = (entry){"best_stat", s->best_stat, s->stats};
  static const char *const optim[] = {"optim.0", "optim.1"};
  for (int i = 0; i < wk_optim_state_count(s->optim); i++)
    e[n++] = (entry){optim[i], wk_optim_state(s->optim, i), s->params};
  return n;
}

static void pack_epoch(double *to, const wk_finetune_epoch *e) {
  const double v[EPOCH_NUMBERS] = {e->epoch,         e->lr,      e->train_loss, e->val_loss,      e->val_top1,
                                   e->gradient_norm, e->seconds, e->best,       e->attacked_loss, e->attacked_top1};
  memcpy(to, v, sizeof v);
}

static wk_finetune_epoch unpack_epoch(const double *v) {
  return (wk_finetune_epoch){.epoch = (int)v[0],
                             .lr = v[1],
                             .train_loss = v[2],
                             .val_loss = v[3],
                             .val_top1 = v[4],
                             .gradient_norm = v[5],
                             .seconds = v[6],
                             .best = v[7] != 0,
                             .attacked_loss = v[8],
                             .attacked_top1 = v[9]};
}

static wk_status add(wk_tensors *t, const char *name, wk_dtype type, const void *data, int ndim, int64_t rows,
                     int64_t columns, wk_error *err) {
  wk_tensor tensor = {.name = name, .dtype = type, .ndim = ndim, .shape = {rows, columns}, .data = data};
  tensor.bytes = (size_t)wk_tensor_count(ndim, tensor.shape) * wk_dtype_size(type);
  return wk_tensors_add(t, &tensor, err);
}

wk_status wk_checkpoint_save(const wk_checkpoint *s, const char *path, const char *network, const char *fingerprint,
                             wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  double *history = wk_alloc_array((size_t)s->epochs, EPOCH_NUMBERS * sizeof *history);
  WK_FAIL_IF(!history, err, WK_ERR_MEMORY, "out of memory for the checkpoint");
  const double number[NUMBERS] = {(double)s->step,
                                  (double)s->averaged,
                                  s->next_epoch,
                                  s->best_epoch,
                                  s->since_best,
                                  s->best_loss,
                                  s->best_top1,
                                  s->plateau.best,
                                  s->plateau.scale,
                                  s->plateau.bad,
                                  (double)wk_optim_steps(s->optim)};
  for (int i = 0; i < s->epochs; i++)
    pack_epoch(history + (size_t)i * EPOCH_NUMBERS, &s->epoch[i]);
  entry e[MOST_ENTRIES];
  int n = entries_of(e, s);
  WK_TRY(wk_tensors_create(&t, err));
  for (int i = 0; i < n; i++)
    if (e[i].data && e[i].count)
      WK_TRY(add(t, e[i].name, WK_F32, e[i].data, 1, (int64_t)e[i].count, 0, err));
  WK_TRY(add(t, "numbers", WK_F64, number, 1, NUMBERS, 0, err));
  WK_TRY(add(t, "history", WK_F64, history, 2, s->epochs, EPOCH_NUMBERS, err));
  WK_TRY(wk_tensors_set_meta(t, KEY, FORMAT, err));
  WK_TRY(wk_tensors_set_meta(t, "network", network, err));
  WK_TRY(wk_tensors_set_meta(t, "run", fingerprint, err));
  WK_TRY(wk_safetensors_write(path, t, err));
done:
  wk_tensors_free(t);
  wk_free(history);
  return st;
}

static wk_status take(void *to, const wk_tensors *t, const char *name, wk_dtype type, size_t count, const char *path,
                      wk_error *err) {
  const wk_tensor *found = wk_tensors_find(t, name);
  if (!found || found->dtype != type || found->bytes != count * wk_dtype_size(type))
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: this checkpoint's \"%s\" is missing or of another size; train without resuming", path, name);
  memcpy(to, found->data, found->bytes);
  return WK_OK;
}

static wk_status check_format(const wk_tensors *t, const char *path, wk_error *err) {
  const char *format = wk_tensors_meta(t, KEY);
  return format && !strcmp(format, FORMAT)
             ? WK_OK
             : WK_FAIL(err, WK_ERR_FORMAT, "%s: this is not a checkpoint of whisker", path);
}

wk_status wk_checkpoint_check(const char *path, const char *network, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  WK_TRY(wk_weights_open(&t, path, err));
  WK_TRY(check_format(t, path, err));
  const char *of = wk_tensors_meta(t, "network");
  WK_FAIL_IF(of && strcmp(of, network) != 0, err, WK_ERR_ARGUMENT,
             "%s: this checkpoint is of a run of %s, and this one trains %s. Go on with %s, or train without resuming",
             path, of, network, of);
done:
  wk_tensors_free(t);
  return st;
}

wk_status wk_checkpoint_load(wk_checkpoint *s, int most_epochs, const char *path, const char *fingerprint,
                             wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  double *history = NULL;
  WK_TRY(wk_weights_open(&t, path, err));
  WK_TRY(check_format(t, path, err));
  const char *run = wk_tensors_meta(t, "run");
  WK_FAIL_IF(
      !run || strcmp(run, fingerprint) != 0, err, WK_ERR_ARGUMENT,
      "%s: this checkpoint is of another run: the photos, the first weights, or a setting that matters is different. "
      "Use the same ones, or train without resuming",
      path);
  double number[NUMBERS];
  WK_TRY(take(number, t, "numbers", WK_F64, NUMBERS, path, err));
  const wk_tensor *h = wk_tensors_find(t, "history");
  size_t epochs = h ? h->bytes / (EPOCH_NUMBERS * sizeof(double)) : 0;
  WK_FAIL_IF(epochs < 1 || epochs > (size_t)most_epochs || number[2] != (double)epochs, err, WK_ERR_FORMAT,
             "%s: this checkpoint's history is damaged; train without resuming", path);
  history = wk_alloc_array(epochs, EPOCH_NUMBERS * sizeof *history);
  WK_FAIL_IF(!history, err, WK_ERR_MEMORY, "out of memory for the checkpoint");
  WK_TRY(take(history, t, "history", WK_F64, epochs * EPOCH_NUMBERS, path, err));
  entry e[MOST_ENTRIES];
  int n = entries_of(e, s);
  for (int i = 0; i < n; i++)
    if (e[i].data && e[i].count)
      WK_TRY(take(e[i].data, t, e[i].name, WK_F32, e[i].count, path, err));
  for (size_t i = 0; i < epochs; i++)
    s->epoch[i] = unpack_epoch(history + i * EPOCH_NUMBERS);
  s->epochs = (int)epochs;
  s->step = (uint64_t)number[0];
  s->averaged = (uint64_t)number[1];
  s->next_epoch = (int)number[2];
  s->best_epoch = (int)number[3];
  s->since_best = (int)number[4];
  s->best_loss = number[5];
  s->best_top1 = number[6];
  s->plateau = (wk_plateau){.best = number[7], .scale = number[8], .bad = (int)number[9]};
  wk_optim_set_steps(s->optim, (uint64_t)number[10]);
done:
  wk_free(history);
  wk_tensors_free(t);
  return st;
}
