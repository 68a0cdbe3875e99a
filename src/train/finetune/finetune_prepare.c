/* finetune_prepare.c - from photos and options to what the epochs need: the probe, the network and its trainable part,
 * the activations that are computed once, and the fingerprint of it all. */
#include <math.h>
#include <string.h>

#include "train/finetune/finetune_job.h"
#include "zoo/zoo.h"

#define KEPT_VIEWS 6 /* of each photo, where the program chooses */

/* ---- the probe --------------------------------------------------------------------------------- */

static wk_status probe_metrics(wk_metrics **out, const wk_head *h, const wk_features *f, const int *y, int classes,
                               wk_error *err) {
  float *p = wk_alloc_array(f->rows, (size_t)classes * sizeof *p);
  if (!p)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the scores of %zu photos", f->rows);
  wk_head_predict_features(p, h, f, 0, f->rows);
  wk_status st = wk_metrics_compute(out, p, y, f->rows, classes, 0, err);
  wk_free(p);
  return st;
}

static wk_status keep_readable(wk_readable_photos *r, const bool *usable, const wk_finetune_data *data, wk_error *err) {
  r->path = wk_alloc_array(data->photo_count, sizeof *r->path);
  r->label = wk_alloc_array(data->photo_count, sizeof *r->label);
  if (!r->path || !r->label)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu photos", data->photo_count);
  size_t n = 0;
  for (size_t i = 0; i < data->photo_count; i++)
    if (usable[i]) {
      r->path[n] = data->paths[i];
      r->label[n++] = data->labels[i];
    }
  r->data = (wk_finetune_data){r->path, r->label, n};
  return WK_OK;
}

static wk_status features_of(wk_features **f, wk_readable_photos *r, wk_finetune_job *j, const wk_finetune_data *data,
                             wk_error *err) {
  wk_features_options o = j->o->features;
  o.layer = NULL;
  WK_RETURN_IF_ERROR(wk_features_compute(f, j->b, data->paths, data->photo_count, &o, j->ctx, err));
  j->r->broken += (*f)->broken;
  return keep_readable(r, (*f)->usable, data, err);
}

static wk_status fit_probe(wk_finetune_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_features *f = NULL, *fv = NULL;
  wk_probe_options o = j->o->probe;
  o.kind = WK_HEAD_LINEAR;
  o.balance = j->o->balance;
  WK_TRY(features_of(&f, &j->train_ok, j, j->train, err));
  WK_FAIL_IF(!f->rows, err, WK_ERR_ARGUMENT, "none of the %zu photos could be read", j->train->photo_count);
  o.mapped = f->mapped > 0;
  WK_TRY(wk_probe_fit(&j->probe, &j->r->probe, f->row, j->train_ok.label, f->rows, f->columns, j->classes, &o, j->ctx,
                      err));
  if (j->val) {
    WK_TRY(features_of(&fv, &j->val_ok, j, j->val, err));
    if (fv->rows)
      WK_TRY(probe_metrics(&j->r->probe_val, j->probe, fv, j->val_ok.label, j->classes, err));
  }
done:
  wk_features_free(f);
  wk_features_free(fv);
  return st;
}

/* From scratch there are no features to tell which photos can be read. */
static wk_status read_once(wk_readable_photos *r, wk_finetune_job *j, const wk_finetune_data *data, wk_error *err) {
  wk_status st = WK_OK;
  bool *usable = wk_calloc(data->photo_count, sizeof *usable);
  WK_FAIL_IF(!usable, err, WK_ERR_MEMORY, "out of memory for %zu photos", data->photo_count);
  WK_TRY(wk_finetune_readable(usable, j->b, data, j->ctx, err));
  WK_TRY(keep_readable(r, usable, data, err));
  j->r->broken += data->photo_count - r->data.photo_count;
done:
  wk_free(usable);
  return st;
}

wk_status wk_finetune_begin(wk_finetune_job *j, wk_error *err) {
  j->r->probe =
      (wk_probe_report){.l2 = NAN, .train_loss = NAN, .held_out_top1 = NAN, .held_out_loss = NAN, .temperature = NAN};
  if (!j->o->from_scratch)
    return fit_probe(j, err);
  WK_RETURN_IF_ERROR(read_once(&j->train_ok, j, j->train, err));
  if (j->val)
    WK_RETURN_IF_ERROR(read_once(&j->val_ok, j, j->val, err));
  if (!j->train_ok.data.photo_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "none of the %zu photos could be read", j->train->photo_count);
  return WK_OK;
}

/* ---- the network ------------------------------------------------------------------------------- */

wk_status wk_finetune_make_network(wk_finetune_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info logits;
  wk_node features;
  WK_TRY(wk_backbone_build(&j->graph, j->b, j->classes, err));
  features = wk_graph_features(j->graph);
  WK_TRY(wk_graph_node(&logits, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  WK_FAIL_IF(logits.op != WK_OP_LINEAR, err, WK_ERR_UNSUPPORTED, "%s: its classifier is not a linear layer",
             j->b->arch->name);
  if (j->o->from_scratch) {
    WK_TRY(wk_tensors_create(&j->start, err));
    WK_TRY(
        wk_init_random_weights(j->start, j->graph, wk_graph_logits(j->graph), j->o->init, j->uncancellable.seed, err));
  } else {
    WK_TRY(wk_backbone_subset(&j->start, j->graph, j->b->weights, features, "", err));
  }
  WK_TRY(wk_finetune_trainable(&j->trainable, j->graph, j->o->from_scratch ? "all" : j->o->depth, err));
  /* Where the input moves, nothing that comes of it can be computed once. */
  j->boundary = j->o->adversary.eps_255 > 0 ? 0 : wk_finetune_boundary(j->graph, j->trainable);
  const wk_preprocess *p = &j->b->preprocess;
  WK_TRY(wk_trainable_subgraph(&j->tail, j->graph, j->boundary, p->height, p->width, err));
  WK_TRY(wk_finetune_stage_depth(&j->stage_depth, j->tail, err));
  int params = wk_graph_param_count(j->tail);
  j->tail_trainable = wk_calloc((size_t)params, sizeof *j->tail_trainable);
  WK_FAIL_IF(!j->tail_trainable, err, WK_ERR_MEMORY, "out of memory for %d parameters", params);
  for (int i = 0; i < params; i++)
    for (int k = 0; k < wk_graph_param_count(j->graph); k++)
      if (strcmp(wk_graph_param(j->tail, i)->name, wk_graph_param(j->graph, k)->name) == 0)
        j->tail_trainable[i] = j->trainable[k];
done:
  return st;
}

/* ---- what every epoch starts from -------------------------------------------------------------- */

/* What the teacher says of each photo. It looks at the photos as they are, whatever the learner sees. */
wk_status wk_finetune_ask_teacher(wk_finetune_job *j, wk_error *err) {
  const wk_model *m = j->o->teacher;
  wk_features *f = NULL;
  if (!m)
    return WK_OK;
  if (m->label_count != j->classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the teacher knows %d classes, but these photos have %d", m->label_count,
                   j->classes);
  const wk_finetune_data *data = &j->train_ok.data;
  wk_features_options o = j->o->features;
  o.layer = NULL;
  WK_RETURN_IF_ERROR(wk_model_predict(&j->teacher, &f, m, data->paths, data->photo_count, &o, j->ctx, err));
  bool all = f->rows == data->photo_count;
  wk_features_free(f);
  return all ? WK_OK : WK_FAIL(err, WK_ERR_IO, "a photo that could be read a moment ago no longer can");
}

/* With frozen layers, some views that are computed once cost a fraction of new ones in every epoch, and do nearly as
 * well; with none, there is nothing to save but the decoding. */
static int views_to_keep(const wk_finetune_job *j, bool frozen) {
  if (j->o->views >= 0)
    return j->o->views;
  return !frozen ? 0 : j->o->epochs < KEPT_VIEWS ? j->o->epochs : KEPT_VIEWS;
}

wk_status wk_finetune_load_inputs(wk_finetune_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info info;
  WK_TRY(wk_graph_node(&info, j->graph, j->boundary, 0, 0, err));
  bool frozen = info.op != WK_OP_INPUT;
  wk_finetune_input_options io = {.layer = frozen ? info.name : NULL,
                                  .memory = j->o->memory_bytes,
                                  .scratch = j->o->scratch_folder,
                                  .augment = wk_augment_is_off(&j->o->augment) ? NULL : &j->o->augment,
                                  .views = views_to_keep(j, frozen)};
  WK_TRY(wk_finetune_input_load(&j->in, j->b, &j->train_ok.data, &io, j->ctx, err));
  if (j->val_ok.data.photo_count) {
    io.memory -= j->in.mapped ? 0 : (size_t)j->in.bytes;
    io.augment = NULL;
    WK_TRY(wk_finetune_input_load(&j->val_in, j->b, &j->val_ok.data, &io, j->ctx, err));
  }
  wk_finetune_result *r = j->r;
  if (frozen) {
    r->frozen = wk_strdup(info.name);
    WK_FAIL_IF(!r->frozen, err, WK_ERR_MEMORY, "out of memory");
  }
  r->kept_bytes = j->in.bytes + j->val_in.bytes;
  r->kept_on_disk = j->in.mapped || j->val_in.mapped;
  r->views = j->in.views;
  for (int i = 0; i < wk_graph_param_count(j->tail); i++)
    if (j->tail_trainable[i])
      r->params += wk_tensor_count(wk_graph_param(j->tail, i)->ndim, wk_graph_param(j->tail, i)->shape);
done:
  return st;
}

/* ---- what a checkpoint must agree with ---------------------------------------------------------- */

wk_status wk_finetune_make_fingerprint(wk_finetune_job *j, wk_error *err) {
  const wk_finetune_options *o = j->o;
  wk_text t = {0};
  char *augment = wk_augment_text(&o->augment);
  uint8_t hash[WK_SHA256_BYTES];
  char weights[2 * WK_SHA256_BYTES + 1];
  wk_tensors_sha256(hash, j->start);
  wk_hex(weights, hash, sizeof hash);
  wk_text_add(&t, "whisker tune 1\n%s %s %d classes, seed %llu, %s, %dx%d\n", j->b->arch->name, weights, j->classes,
              (unsigned long long)j->uncancellable.seed, o->from_scratch ? "scratch" : o->depth,
              j->b->preprocess.height, j->b->preprocess.width);
  if (j->b->preprocess.srgb)
    wk_text_add(&t, "by the photo's colour profile\n");
  wk_finetune_add_settings(&t, o, j->in.rows);
  const wk_finetune_input *in[] = {&j->in, &j->val_in};
  for (int i = 0; i < 2; i++) {
    wk_text_add(&t, "%zu photos:", in[i]->rows);
    wk_text_append(&t, in[i]->label, in[i]->rows * sizeof *in[i]->label);
  }
  for (size_t i = 0; i < j->train_ok.data.photo_count; i++)
    wk_text_add(&t, "\n%s", j->train_ok.path[i]);
  wk_text_add(&t, "\n%d views of %s, teacher %a %a ", j->in.views, augment ? augment : "", o->loss.distill,
              o->loss.distill_temperature);
  if (j->teacher)
    wk_text_append(&t, j->teacher, j->train_ok.data.photo_count * (size_t)j->classes * sizeof *j->teacher);
  wk_text_add(&t, "%d", o->find_lr);
  if (o->adversary.eps_255 > 0)
    wk_text_add(&t, ", %a attacked by %a in %d steps", o->adversary.share, o->adversary.eps_255, o->adversary.steps);
  wk_finetune_add_more_settings(&t, o);
  wk_status st = WK_OK;
  if (t.failed || !augment)
    st = WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu photos", j->train->photo_count);
  else
    wk_sha256(hash, t.data, t.len);
  wk_text_free(&t);
  wk_free(augment);
  wk_hex(j->fingerprint, hash, sizeof hash);
  return st;
}
