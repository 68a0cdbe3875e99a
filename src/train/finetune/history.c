/* history.c - what a run of fine-tuning did, as JSON. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/finetune/finetune_parts.h"

/* JSON has no NaN. Nine digits, so that what is read fits on a page. */
static int add_number(json_t *to, const char *name, double v) {
  return json_object_set_new(to, name, isfinite(v) ? json_real(v) : json_null());
}

static json_t *epoch_json(const wk_finetune_epoch *e, bool attacked) {
  json_t *o = json_pack("{s:i}", "epoch", e->epoch);
  int bad = 0;
  if (!o)
    return NULL;
  bad |= add_number(o, "lr", e->lr);
  bad |= add_number(o, "train_loss", e->train_loss);
  bad |= add_number(o, "val_loss", e->val_loss);
  bad |= add_number(o, "val_top1", e->val_top1);
  if (attacked) {
    bad |= add_number(o, "attacked_loss", e->attacked_loss);
    bad |= add_number(o, "attacked_top1", e->attacked_top1);
  }
  bad |= add_number(o, "gradient", e->gradient_norm);
  bad |= add_number(o, "seconds", e->seconds);
  bad |= json_object_set_new(o, "best", json_boolean(e->best));
  if (!bad)
    return o;
  json_decref(o);
  return NULL;
}

static json_t *result_json(const wk_finetune_result *r) {
  json_t *o = json_pack("{s:s,s:i,s:b,s:b,s:I}", "made_by", "whisker " WK_VERSION, "best", r->best, "tuned", r->tuned,
                        "stopped_early", r->stopped_early, "params", (json_int_t)r->params),
         *epochs = json_array();
  int bad = !o || !epochs;
  bad = bad || add_number(o, "probe_top1", r->probe_val ? r->probe_val->top1.value : NAN) ||
        add_number(o, "probe_loss", r->probe_val ? r->probe_val->loss.value : NAN) ||
        add_number(o, "tuned_top1", r->tuned_val ? r->tuned_val->top1.value : NAN) ||
        add_number(o, "tuned_loss", r->tuned_val ? r->tuned_val->loss.value : NAN);
  if (r->attacked)
    bad = bad || json_object_set_new(o, "attacked", json_integer((json_int_t)r->attacked)) ||
          add_number(o, "attacked_before", r->attacked_before) || add_number(o, "attacked_after", r->attacked_after);
  bad = bad || add_number(o, "temperature", r->calibration.temperature) ||
        add_number(o, "ece_before", r->calibration.ece_before) || add_number(o, "ece_after", r->calibration.ece_after);
  for (int i = 0; i < r->epochs; i++)
    bad = bad || json_array_append_new(epochs, epoch_json(&r->history[i], r->attacked > 0));
  bad = bad || json_object_set(o, "epochs", epochs);
  json_decref(epochs);
  if (!bad)
    return o;
  json_decref(o);
  return NULL;
}

char *wk_finetune_history(const wk_finetune_result *r) {
  json_t *o = result_json(r);
  char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL, *own = text ? wk_strdup(text) : NULL;
  free(text);
  json_decref(o);
  return own;
}

wk_status wk_finetune_history_save(const char *path, const wk_finetune_result *r, wk_error *err) {
  char *text = wk_finetune_history(r);
  if (!text)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the run's history");
  wk_status st = wk_file_write(path, text, strlen(text), err);
  wk_free(text);
  return st;
}
