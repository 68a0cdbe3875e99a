/* finetune.c - fine-tuning from end to end: the probe, the frozen part computed once, the epochs, and which of probe
 * and tuned network comes out. */
#include <math.h>
#include <string.h>

#include "train/finetune/finetune_parts.h"
#include "zoo/zoo.h"

#define KEPT_VIEWS 6 /* of each photo, where the program chooses */
/* Photos are few where several views of each are no more work than this many photos. */
#define FEW_BUDGET 2400
#define FEW_VIEWS 8
#define FULL_RATE_PHOTOS 1000 /* from here on the optimiser's own learning rate is right */

/* ---- options ----------------------------------------------------------------------------------- */

void wk_finetune_options_init(wk_finetune_options *o) {
  *o = (wk_finetune_options){.depth = "last:2",
                             .epochs = 12,
                             .batch = 32,
                             .accumulate = 1,
                             .head_lr = 1,
                             .layer_decay = 0.8,
                             .l2_sp = true,
                             .dropout = -1,
                             .norm = WK_NORM_FROZEN,
                             .clip_norm = 1,
                             .average = WK_AVERAGE_EMA,
                             .ema_decay = 0.98,
                             .swa_start = 0.75,
                             .patience = 6,
                             .init = WK_INIT_HE_OUT,
                             .memory_bytes = (size_t)1 << 30};
  wk_optim_options_init(&o->optim, WK_OPTIM_ADAMW);
  wk_schedule_options_init(&o->schedule, WK_SCHEDULE_COSINE);
  o->schedule.lr = 0;
  o->schedule.warmup_epochs = 1;
  wk_loss_options_init(&o->loss);
  wk_mix_options_init(&o->mix);
  o->adversary = (wk_adversary){.steps = 1, .share = 0.5};
  wk_augment_init(&o->augment);
  o->augment_few = true;
  o->views = -1;
  wk_probe_options_init(&o->probe);
  wk_features_options_init(&o->features);
}

void wk_finetune_options_adversarial(wk_finetune_options *o, double eps_255) {
  wk_finetune_options_init(o);
  o->adversary.eps_255 = eps_255;
  o->depth = "all";
  o->epochs = 4;
  o->layer_decay = 1;
  o->average = WK_AVERAGE_NONE;
}

void wk_finetune_options_scratch(wk_finetune_options *o) {
  wk_finetune_options_init(o);
  o->from_scratch = true;
  o->depth = "all";
  o->epochs = 30;
  o->norm = WK_NORM_BATCH;
  o->augment_few = false;
  o->loss.smoothing = 0.1;
  o->layer_decay = 1;
  o->l2_sp = false;
  o->patience = 0; /* one cycle has its best epochs at its end */
  o->optim.weight_decay = 0.05;
  wk_schedule_options_init(&o->schedule, WK_SCHEDULE_ONE_CYCLE);
  o->schedule.lr = 0;
}

/* The learning rate that was asked for, or the optimiser's own. */
static double learning_rate(const wk_finetune_options *o, size_t photos) {
  double share = photos < FULL_RATE_PHOTOS ? (double)photos / FULL_RATE_PHOTOS : 1;
  if (o->schedule.lr > 0)
    return o->schedule.lr;
  if (o->from_scratch)
    return o->optim.suggested_lr * 20;
  /* To withstand attacks is a new task, with much more to learn than the photos' classes, however few they are. */
  return o->optim.suggested_lr * (o->adversary.eps_255 > 0 ? 3 : share * share);
}

wk_status wk_finetune_options_validate(const wk_finetune_options *o, wk_error *err) {
  if (!o->depth || !*o->depth)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "say what to tune: head, all, last:N, from:LAYER or a stage's name");
  if (o->epochs < 1 || o->epochs > 100000)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d epochs cannot be: at least 1", o->epochs);
  if (o->batch < 1 || o->batch > 65536 || o->accumulate < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch of %d photos, %d of them a step, cannot be: at least 1 each",
                   o->batch, o->accumulate);
  if (!(o->head_lr >= 0) || isinf(o->head_lr) || !(o->layer_decay > 0 && o->layer_decay <= 1))
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "%g times the learning rate for the classifier, and %g a stage, cannot be: 0 or more, and above 0 to "
        "1",
        o->head_lr, o->layer_decay);
  if (!(o->loss.distill >= 0 && o->loss.distill <= 1 && o->loss.distill_temperature > 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "distilling with weight %g at temperature %g cannot be: 0 to 1, above 0",
                   o->loss.distill, o->loss.distill_temperature);
  if (!(o->loss.smoothing >= 0 && o->loss.smoothing < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "label smoothing is %g, but must be at least 0 and below 1",
                   o->loss.smoothing);
  const wk_adversary *a = &o->adversary;
  if (!(a->eps_255 >= 0 && a->eps_255 <= 255) || a->steps < 1 || a->steps > 1000 || !(a->share > 0 && a->share <= 1))
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "%d steps of an attack that changes values by up to %g grey levels, on %g of the photos, cannot be: 1 "
        "to 1000 steps, 0 (none) to 255 levels, a share above 0 to 1",
        a->steps, a->eps_255, a->share);
  if (!(o->clip_norm >= 0) || !(o->clip_value >= 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "gradients cannot be clipped at %g and %g: above 0, or 0 for not at all",
                   o->clip_norm, o->clip_value);
  if (!(o->dropout < 1) || !(o->stochastic_depth >= 0 && o->stochastic_depth < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "dropout of %g and stochastic depth of %g cannot be: below 1",
                   (double)o->dropout, (double)o->stochastic_depth);
  if (!(o->ema_decay >= 0 && o->ema_decay < 1) || !(o->swa_start >= 0 && o->swa_start < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "averaging with decay %g from %g of the run on cannot be: 0 to below 1",
                   o->ema_decay, o->swa_start);
  if (o->patience < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "patience is %d, but must be 0 (never stop early) or more", o->patience);
  if (o->resume && !o->checkpoint)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "to resume, say from which checkpoint");
  wk_schedule_options schedule = o->schedule;
  schedule.lr = learning_rate(o, FULL_RATE_PHOTOS);
  if (o->schedule.lr < 0 || isnan(o->schedule.lr))
    schedule.lr = o->schedule.lr;
  WK_RETURN_IF_ERROR(wk_schedule_options_validate(&schedule, err));
  WK_RETURN_IF_ERROR(wk_optim_options_validate(&o->optim, err));
  WK_RETURN_IF_ERROR(wk_mix_options_validate(&o->mix, err));
  WK_RETURN_IF_ERROR(wk_augment_validate(&o->augment, err));
  return wk_probe_options_validate(&o->probe, err);
}

/* ---- the job ----------------------------------------------------------------------------------- */

/* Those photos of a collection that can be read. */
typedef struct readable {
  wk_finetune_data data;
  const char **path;
  int *label;
} readable;

typedef struct job {
  const wk_backbone *b;
  const wk_finetune_data *train, *val; /* val NULL: none */
  int classes;
  const wk_finetune_options *o;
  const wk_context *ctx;
  wk_context calm; /* the same without a way to stop: for what must be finished after a stop */
  readable train_ok, val_ok;

  wk_graph *graph; /* the architecture with this many classes */
  wk_tensors *start;
  bool *trainable;
  wk_node boundary;
  wk_graph *tail;
  bool *tail_trainable;
  int *stage_depth;
  wk_finetune_input in, val_in;
  wk_head *probe;
  float *teacher; /* [rows, classes] its probabilities */
  wk_finetune_run run;
  wk_tensors *tuned; /* weights of the tail */
  char fingerprint[2 * WK_SHA256_BYTES + 1];
  wk_finetune_result *r;
} job;

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

static wk_status keep_readable(readable *r, const bool *usable, const wk_finetune_data *data, wk_error *err) {
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

static wk_status features_of(wk_features **f, readable *r, job *j, const wk_finetune_data *data, wk_error *err) {
  wk_features_options o = j->o->features;
  o.layer = NULL;
  WK_RETURN_IF_ERROR(wk_features_compute(f, j->b, data->paths, data->photo_count, &o, j->ctx, err));
  j->r->broken += (*f)->broken;
  return keep_readable(r, (*f)->usable, data, err);
}

static wk_status fit_probe(job *j, wk_error *err) {
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
static wk_status read_once(readable *r, job *j, const wk_finetune_data *data, wk_error *err) {
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

static wk_status begin(job *j, wk_error *err) {
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

/* A head as the classifier's first weights, with its temperature worked in. */
static wk_status add_head(job *j, const wk_head *h, const char *layer, wk_error *err) {
  wk_status st = WK_OK;
  float *weight, *bias;
  const int64_t shape[2] = {h->class_count, h->feature_count};
  char *name = wk_asprintf("%s.weight", layer), *bias_name = wk_asprintf("%s.bias", layer);
  WK_FAIL_IF(!name || !bias_name, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_tensors_add_zeros(j->start, &weight, name, 2, shape, err));
  WK_TRY(wk_tensors_add_zeros(j->start, &bias, bias_name, 1, shape, err));
  for (size_t i = 0; i < (size_t)h->class_count * (size_t)h->feature_count; i++)
    weight[i] = h->weight[i] / h->temperature;
  for (int c = 0; c < h->class_count; c++)
    bias[c] = h->bias[c] / h->temperature;
done:
  wk_free(name);
  wk_free(bias_name);
  return st;
}

static wk_status make_network(job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info logits;
  wk_node features;
  WK_TRY(j->b->arch->build(&j->graph, j->classes, err));
  features = wk_graph_features(j->graph);
  WK_TRY(wk_graph_node(&logits, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  WK_FAIL_IF(logits.op != WK_OP_LINEAR, err, WK_ERR_UNSUPPORTED, "%s: its classifier is not a linear layer",
             j->b->arch->name);
  if (j->o->from_scratch) {
    WK_TRY(wk_tensors_create(&j->start, err));
    WK_TRY(wk_init_random_weights(j->start, j->graph, wk_graph_logits(j->graph), j->o->init, j->calm.seed, err));
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
static wk_status ask_teacher(job *j, wk_error *err) {
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

/* Turns on what few photos gain from, in the job's own copy of the options. */
static void help_few_photos(wk_finetune_options *o, size_t photos) {
  size_t views = FEW_BUDGET / (photos ? photos : 1);
  if (o->from_scratch || !o->augment_few || !wk_augment_is_off(&o->augment) || views < 2)
    return;
  o->augment.crop = true;
  o->augment.scale[0] = 0.5;
  o->augment.hflip = 0.5;
  if (o->views < 0)
    o->views = views < FEW_VIEWS ? (int)views : FEW_VIEWS;
}

/* With frozen layers, some views that are computed once cost a fraction of new ones in every epoch, and do nearly as
 * well; with none, there is nothing to save but the decoding. */
static int views_to_keep(const job *j, bool frozen) {
  if (j->o->views >= 0)
    return j->o->views;
  return !frozen ? 0 : j->o->epochs < KEPT_VIEWS ? j->o->epochs : KEPT_VIEWS;
}

static wk_status load_inputs(job *j, wk_error *err) {
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

/* The network's first classifier: the probe, or what it is on all kept views. */
static wk_status start_classifier(job *j, wk_error *err) {
  wk_node_info logits;
  wk_head *views = NULL;
  if (j->o->from_scratch)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_graph_node(&logits, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  if (j->in.views > 1) {
    wk_probe_options o = j->o->probe;
    o.kind = WK_HEAD_LINEAR;
    o.balance = j->o->balance;
    WK_RETURN_IF_ERROR(wk_finetune_view_probe(&views, &j->in, j->tail, j->start, j->b->arch->feature_count, j->classes,
                                              &o, &j->r->probe, j->ctx, err));
  }
  wk_status st = add_head(j, views ? views : j->probe, logits.name, err);
  wk_head_free(views);
  return st;
}

static void say_start(const job *j) {
  const wk_finetune_result *r = j->r;
  wk_text t = {0};
  if (!j->o->on_start)
    return;
  if (r->frozen)
    wk_text_add(&t, "frozen up to %s", r->frozen);
  else if (j->o->adversary.eps_255 > 0)
    wk_text_add(&t,
                "photos are moved by up to %g/255 against the network before it learns from them, so nothing of them "
                "is computed once",
                j->o->adversary.eps_255);
  else
    wk_text_add(&t, "all layers train");
  if (!r->views)
    wk_text_add(&t, ": every epoch reads the photos again and changes them anew");
  else {
    wk_text_add(&t,
                r->frozen ? ": its outputs are computed once (%.0f MB%s)" : ": the photos' pixels are kept (%.0f MB%s)",
                (double)r->kept_bytes / 1e6, r->kept_on_disk ? ", in a file" : "");
    if (r->views > 1)
      wk_text_add(&t, " for %d views of each photo", r->views);
  }
  wk_text_add(&t, "; %d epochs, %.2f million parameters train", j->o->epochs, (double)r->params / 1e6);
  if (!t.failed)
    j->o->on_start(j->o->user, t.data);
  wk_text_free(&t);
}

/* Everything the weights depend on, hashed: what a checkpoint must agree with. The number of threads is not in it. */
static wk_status make_fingerprint(job *j, wk_error *err) {
  const wk_finetune_options *o = j->o;
  wk_text t = {0};
  char *augment = wk_augment_text(&o->augment);
  uint8_t hash[WK_SHA256_BYTES];
  char weights[2 * WK_SHA256_BYTES + 1];
  wk_tensors_sha256(hash, j->start);
  wk_hex(weights, hash, sizeof hash);
  wk_text_add(&t, "whisker tune 1\n%s %s %d classes, seed %llu, %s, %dx%d\n", j->b->arch->name, weights, j->classes,
              (unsigned long long)j->calm.seed, o->from_scratch ? "scratch" : o->depth, j->b->preprocess.height,
              j->b->preprocess.width);
  wk_text_add(&t, "epochs %d batch %d x %d, %s %a %a %a %a %a, %s %a %a %a %a %a %a\n", o->epochs, o->batch,
              o->accumulate, wk_optim_name(o->optim.kind), o->optim.momentum, o->optim.beta1, o->optim.beta2,
              o->optim.eps, o->optim.weight_decay, wk_schedule_name(o->schedule.kind), learning_rate(o, j->in.rows),
              o->schedule.min_lr, o->schedule.gamma, o->schedule.step_epochs, o->schedule.warmup_epochs,
              o->schedule.warmup_factor);
  wk_text_add(&t, "%a %a %a %d %a, %a %a %d, %a %d, %a %a %a %a\n", o->schedule.one_cycle_start,
              o->schedule.one_cycle_div, o->schedule.one_cycle_final_div, o->schedule.patience, o->schedule.threshold,
              o->head_lr, o->layer_decay, o->l2_sp, o->loss.smoothing, o->balance, o->mix.mixup, o->mix.cutmix,
              o->mix.probability, o->mix.switching);
  wk_text_add(&t, "%a %a %d, %a %a, %d %a %a %d\n", (double)o->dropout, (double)o->stochastic_depth, (int)o->norm,
              o->clip_norm, o->clip_value, (int)o->average, o->ema_decay, o->swa_start, o->patience);
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

static wk_status train_tail(job *j, wk_error *err) {
  wk_finetune_setup s = {.o = j->o,
                         .ctx = j->ctx,
                         .classes = j->classes,
                         .tail = j->tail,
                         .start = j->start,
                         .trainable = j->tail_trainable,
                         .stage_depth = j->stage_depth,
                         .train = &j->in,
                         .val = j->val_in.rows ? &j->val_in : NULL,
                         .teacher = j->teacher,
                         .lr = learning_rate(j->o, j->in.rows),
                         .network = j->b->arch->name,
                         .fingerprint = j->fingerprint};
  wk_finetune_result *r = j->r;
  if (j->o->find_lr) {
    WK_RETURN_IF_ERROR(wk_lr_find(&r->rates, &s, err));
    s.lr = r->rates.suggested;
  }
  r->lr = s.lr;
  WK_RETURN_IF_ERROR(wk_finetune_loop(&j->run, &s, err));
  r->history = j->run.epoch;
  r->epochs = j->run.epochs;
  r->best = j->run.best;
  r->stopped_early = j->run.stopped_early;
  r->cancelled = j->run.cancelled;
  r->trouble = j->run.trouble;
  if (s.val && j->o->adversary.eps_255 > 0) {
    r->attacked = wk_robust_eval_size(s.val->rows);
    r->attacked_before = r->history[0].attacked_top1;
    r->attacked_after = r->history[r->best].attacked_top1;
  }
  j->run.epoch = NULL;
  j->run.trouble = NULL;
  WK_RETURN_IF_ERROR(wk_tensors_create(&j->tuned, err));
  return wk_trainer_export(j->run.trainer, j->tuned, j->start, err);
}

/* ---- what comes out ---------------------------------------------------------------------------- */

static wk_status measure_tuned(job *j, wk_error *err) {
  wk_status st = WK_OK;
  const wk_finetune_input *in = &j->val_in;
  wk_finetune_result *r = j->r;
  r->calibration =
      (wk_calibration){.temperature = 1, .loss_before = NAN, .loss_after = NAN, .ece_before = NAN, .ece_after = NAN};
  if (!in->rows)
    return WK_OK;
  size_t k = (size_t)j->classes;
  float *score = wk_alloc_array(in->rows, k * sizeof *score);
  WK_FAIL_IF(!score, err, WK_ERR_MEMORY, "out of memory for the scores of %zu photos", in->rows);
  WK_TRY(wk_finetune_scores(score, j->tail, j->tuned, in, j->classes, &j->calm, err));
  WK_TRY(wk_calibrate(&r->calibration, score, in->label, in->rows, j->classes, err));
  wk_finetune_probabilities(score, in->rows, j->classes, r->calibration.temperature);
  WK_TRY(wk_metrics_compute(&r->tuned_val, score, in->label, in->rows, j->classes, 0, err));
done:
  wk_free(score);
  return st;
}

/* More photos right; with as many, the lower log loss. */
static bool tuned_is_better(const job *j) {
  const wk_finetune_result *r = j->r;
  if (!j->probe || j->o->keep == WK_KEEP_FINETUNED)
    return true;
  if (j->o->keep == WK_KEEP_PROBE || (r->best == 0 && r->views < 2)) /* epoch 0 is the probe, but for other views */
    return false;
  if (!r->probe_val || !r->tuned_val || j->o->adversary.eps_255 > 0)
    return true;
  double gain = r->tuned_val->top1.value - r->probe_val->top1.value;
  return gain > 0 || (gain == 0 && r->tuned_val->loss.value < r->probe_val->loss.value);
}

static const float *values(const wk_tensors *t, const char *layer, const char *what, wk_error *err) {
  char *name = wk_asprintf("%s.%s", layer, what);
  const wk_tensor *found = name ? wk_tensors_find(t, name) : NULL;
  if (!found)
    (void)WK_FAIL(err, WK_ERR_INTERNAL, "the tuned network has no %s.%s", layer, what);
  wk_free(name);
  return found ? found->data : NULL;
}

static wk_status tuned_head(wk_head **out, const job *j, wk_error *err) {
  wk_node_info info;
  wk_head *h = NULL;
  WK_RETURN_IF_ERROR(wk_graph_node(&info, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  const float *weight = values(j->tuned, info.name, "weight", err), *bias = values(j->tuned, info.name, "bias", err);
  if (!weight || !bias)
    return WK_ERR_INTERNAL;
  int features = j->b->arch->feature_count;
  WK_RETURN_IF_ERROR(wk_head_alloc(&h, WK_HEAD_LINEAR, j->classes, features, 0, err));
  memcpy(h->weight, weight, (size_t)j->classes * (size_t)features * sizeof *weight);
  memcpy(h->bias, bias, (size_t)j->classes * sizeof *bias);
  h->temperature = (float)j->r->calibration.temperature;
  *out = h;
  return WK_OK;
}

/* The frozen part as it was and the rest as it became, with data of its own. */
static wk_status tuned_backbone(wk_backbone **out, const job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *all = NULL;
  wk_backbone *b = NULL;
  wk_node features = wk_graph_features(j->graph);
  WK_TRY(wk_tensors_create(&all, err));
  for (int i = 0; i < wk_graph_param_count(j->graph); i++) {
    const wk_param_info *p = wk_graph_param(j->graph, i);
    const wk_tensor *t = wk_tensors_find(j->tuned, p->name);
    t = t ? t : wk_tensors_find(j->start, p->name);
    if (p->node <= features && t) /* running statistics may be missing: mean 0, variance 1 */
      WK_TRY(wk_tensors_add(all, t, err));
  }
  WK_TRY(wk_backbone_from(&b, j->b->arch, all, err));
  all = NULL;
  b->preprocess = j->b->preprocess;
  *out = b;
done:
  wk_tensors_free(all);
  return st;
}

static wk_status choose(job *j, wk_error *err) {
  wk_finetune_result *r = j->r;
  WK_RETURN_IF_ERROR(measure_tuned(j, err));
  r->tuned = tuned_is_better(j);
  if (!r->tuned) {
    r->head = j->probe;
    j->probe = NULL;
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(tuned_head(&r->head, j, err));
  return tuned_backbone(&r->backbone, j, err);
}

/* ---- from end to end --------------------------------------------------------------------------- */

static wk_status check_data(const wk_finetune_data *data, int classes, wk_error *err) {
  for (size_t i = 0; i < data->photo_count; i++)
    if (data->labels[i] < 0 || data->labels[i] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s has label %d, but the %d classes are numbered 0 to %d", data->paths[i],
                     data->labels[i], classes, classes - 1);
  return WK_OK;
}

static void job_free(job *j) {
  wk_finetune_run_free(&j->run);
  wk_tensors_free(j->tuned);
  wk_free(j->teacher);
  wk_finetune_input_free(&j->in);
  wk_finetune_input_free(&j->val_in);
  wk_free(j->train_ok.path);
  wk_free(j->train_ok.label);
  wk_free(j->val_ok.path);
  wk_free(j->val_ok.label);
  wk_free(j->stage_depth);
  wk_free(j->tail_trainable);
  wk_graph_free(j->tail);
  wk_free(j->trainable);
  wk_tensors_free(j->start);
  wk_graph_free(j->graph);
  wk_head_free(j->probe);
  wk_finetune_result_free(j->r);
}

wk_status wk_finetune(wk_finetune_result **out, const wk_backbone *b, const wk_finetune_data *train,
                      const wk_finetune_data *val, int classes, const wk_finetune_options *options,
                      const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_finetune_options o;
  wk_finetune_options_init(&o);
  if (options)
    o = *options;
  job j = {
      .b = b, .train = train, .val = val && val->photo_count ? val : NULL, .classes = classes, .o = &o, .ctx = ctx};
  wk_context_init(&j.calm);
  if (ctx)
    j.calm = *ctx;
  j.calm.cancelled = NULL;
  WK_TRY(wk_finetune_options_validate(&o, err));
  WK_FAIL_IF(classes < 2, err, WK_ERR_ARGUMENT, "telling things apart takes at least two classes, not %d", classes);
  WK_FAIL_IF(!train->photo_count || train->photo_count > UINT32_MAX, err, WK_ERR_ARGUMENT,
             "cannot learn from %zu photos", train->photo_count);
  WK_TRY(check_data(train, classes, err));
  if (j.val)
    WK_TRY(check_data(j.val, classes, err));
  if (o.resume && wk_path_exists(o.checkpoint))
    WK_TRY(wk_checkpoint_check(o.checkpoint, b->arch->name, err));
  j.r = wk_calloc(1, sizeof *j.r);
  WK_FAIL_IF(!j.r, err, WK_ERR_MEMORY, "out of memory");
  j.r->attacked_before = j.r->attacked_after = NAN;
  WK_TRY(begin(&j, err));
  help_few_photos(&o, j.train_ok.data.photo_count);
  WK_TRY(make_network(&j, err));
  WK_TRY(load_inputs(&j, err));
  WK_TRY(start_classifier(&j, err));
  if ((size_t)o.batch > j.in.rows) {
    wk_warn(ctx, "a batch of %d is more than the %zu photos to learn from: each epoch is one step of them all", o.batch,
            j.in.rows);
    o.batch = (int)j.in.rows;
  }
  WK_TRY(ask_teacher(&j, err));
  if (j.teacher && o.loss.distill == 0)
    o.loss.distill = 0.5;
  WK_TRY(make_fingerprint(&j, err));
  say_start(&j);
  WK_TRY(train_tail(&j, err));
  WK_TRY(choose(&j, err));
  *out = j.r;
  j.r = NULL;
done:
  job_free(&j);
  return st;
}

void wk_finetune_result_free(wk_finetune_result *r) {
  if (!r)
    return;
  wk_backbone_free(r->backbone);
  wk_head_free(r->head);
  wk_metrics_free(r->probe_val);
  wk_metrics_free(r->tuned_val);
  wk_free(r->history);
  wk_free(r->frozen);
  wk_free(r->trouble);
  wk_free(r->rates.lr);
  wk_free(r->rates.loss);
  wk_free(r);
}

/* ---- history ----------------------------------------------------------------------------------- */

/* JSON has no NaN. */
static void add_number(wk_text *t, const char *name, double v) {
  if (isfinite(v))
    wk_text_add(t, "\"%s\":%.9g,", name, v);
  else
    wk_text_add(t, "\"%s\":null,", name);
}

char *wk_finetune_history(const wk_finetune_result *r) {
  wk_text t = {0};
  wk_text_add(&t,
              "{\"made_by\":\"whisker " WK_VERSION "\",\"best\":%d,\"tuned\":%s,\"stopped_early\":%s,\"params\":%lld,",
              r->best, r->tuned ? "true" : "false", r->stopped_early ? "true" : "false", (long long)r->params);
  add_number(&t, "probe_top1", r->probe_val ? r->probe_val->top1.value : NAN);
  add_number(&t, "probe_loss", r->probe_val ? r->probe_val->loss.value : NAN);
  add_number(&t, "tuned_top1", r->tuned_val ? r->tuned_val->top1.value : NAN);
  add_number(&t, "tuned_loss", r->tuned_val ? r->tuned_val->loss.value : NAN);
  if (r->attacked) {
    wk_text_add(&t, "\"attacked\":%zu,", r->attacked);
    add_number(&t, "attacked_before", r->attacked_before);
    add_number(&t, "attacked_after", r->attacked_after);
  }
  add_number(&t, "temperature", r->calibration.temperature);
  add_number(&t, "ece_before", r->calibration.ece_before);
  add_number(&t, "ece_after", r->calibration.ece_after);
  wk_text_add(&t, "\"epochs\":[");
  for (int i = 0; i < r->epochs; i++) {
    const wk_finetune_epoch *e = &r->history[i];
    wk_text_add(&t, "%s{\"epoch\":%d,", i ? "," : "", e->epoch);
    add_number(&t, "lr", e->lr);
    add_number(&t, "train_loss", e->train_loss);
    add_number(&t, "val_loss", e->val_loss);
    add_number(&t, "val_top1", e->val_top1);
    if (r->attacked) {
      add_number(&t, "attacked_loss", e->attacked_loss);
      add_number(&t, "attacked_top1", e->attacked_top1);
    }
    add_number(&t, "gradient", e->gradient_norm);
    add_number(&t, "seconds", e->seconds);
    wk_text_add(&t, "\"best\":%s}", e->best ? "true" : "false");
  }
  wk_text_add(&t, "]}");
  if (t.failed) {
    wk_text_free(&t);
    return NULL;
  }
  return t.data;
}

wk_status wk_finetune_history_save(const char *path, const wk_finetune_result *r, wk_error *err) {
  char *text = wk_finetune_history(r);
  if (!text)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the run's history");
  wk_status st = wk_file_write(path, text, strlen(text), err);
  wk_free(text);
  return st;
}
