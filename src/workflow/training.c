/* training.c - wk_train: opens the data and the backbone, hands over to one of the two ways (train_probe.c,
 * train_tune.c), and makes the report. */
#include <math.h>
#include <string.h>

#include "train/option_tables.h"
#include "whisker/output.h"
#include "workflow/roster.h"
#include "workflow/workflow.h"

static const char *const kinds[] = {"probe", "finetune", "scratch", NULL}, *const precisions[] = {"float32", "int8",
                                                                                                  "bf16", "auto", NULL};
static const wk_option option_rows[] = {
    {.name = "kind",
     WK_ROW_CHOICE(wk_train_options, kind, kinds),
     .flags = WK_OPTION_NO_FLAG,
     .help = "what is trained"},
    {.name = "backbone",
     .letter = 'b',
     WK_ROW_TEXT(wk_train_options, backbone),
     .text = "efficientnet_lite0",
     .placeholder = "NAME|FILE",
     .help = "pretrained network, by name or a weight file"},
    {.name = "arch",
     WK_ROW_TEXT(wk_train_options, arch),
     .placeholder = "NAME",
     .help = "architecture of a weight file, if it cannot be recognised"},
    {.name = "val",
     WK_ROW_TEXT(wk_train_options, val),
     .placeholder = "DATA|FRACTION",
     .help = "validation photos, or the share to hold out; default: val/, else a fifth (none where there is a test/)"},
    {.name = "folds",
     WK_ROW_INT(wk_train_options, folds),
     .min = 0,
     .max = 1000,
     .automatic = "none",
     .placeholder = "K",
     .help = "also judge every photo by a classifier fitted on the other folds of K: accuracy as mean and deviation"},
    {.name = "group-by",
     WK_ROW_TEXT(wk_train_options, group_by),
     .placeholder = "folder|REGEX",
     .help = "keep photos on one side of a split that share their folder, or what matches in their names, as "
             "'person([0-9]+)'; copies always are"},
    {.name = "add",
     WK_ROW_TEXT(wk_train_options, add),
     .placeholder = "MODEL",
     .help = "learn from the photos of this model as well, from kept features, as it was trained"},
    {.name = "exclude",
     WK_ROW_TEXT(wk_train_options, exclude),
     .placeholder = "LIST.csv",
     .help = "leave out the photos that this list names, such as one that check --list has written"},
    {.name = "labels",
     WK_ROW_TEXT(wk_train_options, labels),
     .placeholder = "LIST.csv",
     .help = "corrected labels of some photos (columns file,label)"},
    {.name = "size",
     WK_ROW_INT(wk_train_options, size),
     .min = 0,
     .max = 4096,
     .automatic = "the backbone's own",
     .placeholder = "PIXELS",
     .help = "side of the network's input"},
    {.name = "resize",
     WK_ROW_INT(wk_train_options, resize),
     .min = 0,
     .max = 8192,
     .automatic = "the backbone's own ratio",
     .placeholder = "PIXELS",
     .help = "shorter side of a photo before the crop"},
    {.name = "srgb",
     WK_ROW_BOOL(wk_train_options, srgb),
     .help = "bring colours to sRGB by the ICC profile in each photo that has one, also in the model later"},
    {.name = "precision",
     WK_ROW_CHOICE(wk_train_options, precision, precisions),
     .placeholder = "KIND",
     .help = "arithmetic of the features, also in the model later; auto: int8, or else bf16, where that is faster and "
             "as accurate"},
    {.name = "probe", WK_ROW_PART(wk_train_options, probe, &wk_probe_table)},
    {.name = "refit",
     WK_ROW_BOOL(wk_train_options, refit),
     .help = "fit the head once more on all photos after validation"},
    {.name = "finetune", WK_ROW_PART(wk_train_options, finetune, &wk_finetune_table)},
    {.name = "teacher",
     WK_ROW_TEXT(wk_train_options, teacher),
     .placeholder = "MODEL",
     .help = "distil from this model's predictions as well"},
    {.name = "out", WK_ROW_TEXT(wk_train_options, out), .flags = WK_OPTION_NO_FLAG, .help = "the model's file"},
    {.name = "head-only",
     WK_ROW_BOOL(wk_train_options, light),
     .old_names = "light",
     .help = "save the backbone's name and hash in the file instead of its weights"},
    {.name = "show-augment",
     WK_ROW_TEXT(wk_train_options, show_augment),
     .placeholder = "FILE.png",
     .help = "draw some photos as augmentation changes them"},
    {0}};
static const wk_option_table option_table = {"train_options", sizeof(wk_train_options), option_rows, NULL};
const wk_option_table *wk_train_options_table(void) { return &option_table; }

void wk_train_options_init(wk_train_options *o, wk_train_kind kind) {
  wk_options_init(o, &option_table);
  o->kind = kind;
  if (kind == WK_TRAIN_SCRATCH)
    wk_finetune_options_scratch(&o->finetune);
}

wk_status wk_train_options_validate(const wk_train_options *o, wk_error *err) {
  if ((int)o->kind < WK_TRAIN_PROBE || o->kind > WK_TRAIN_SCRATCH)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no way of training with the number %d", (int)o->kind);
  if (!o->backbone || !*o->backbone)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "training needs the name of a backbone, such as efficientnet_lite0");
  if (o->size < 0 || o->resize < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "the input's side and the shorter side before the crop must be at least 0 (got "
                   "%d and %d)",
                   o->size, o->resize);
  if (!wk_precision_choice_name(o->precision))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no precision with the number %d", o->precision);
  if (o->show_only && !o->show_augment)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "show_only needs the name of a picture in show_augment");
  if (o->folds == 1 || o->folds < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there must be at least 2 folds (got %d)", o->folds);
  if (o->folds && (o->kind != WK_TRAIN_PROBE || o->probe.kind != WK_HEAD_LINEAR))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "folds go with a linear head on a pretrained network's features alone");
  WK_RETURN_IF_ERROR(wk_probe_options_validate(&o->probe, err));
  if (o->kind == WK_TRAIN_PROBE) {
    if (o->precision != WK_PRECISION_AUTO)
      return wk_precision_check((wk_precision)o->precision, err);
    return WK_OK;
  }
  if (o->probe.kind != WK_HEAD_LINEAR || o->refit)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "fine-tuning and training from scratch train a linear head: another head, or "
                   "fitting it once more on all photos, does not go with them");
  if (o->precision != WK_PRECISION_FLOAT32 && o->precision != WK_PRECISION_AUTO)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "fine-tuning and training from scratch train through the network, in float32, not "
                   "in %s",
                   wk_precision_choice_name(o->precision));
  wk_finetune_options tune = o->finetune;
  tune.resume = tune.resume && !o->out; /* its checkpoint lies beside the model */
  return wk_finetune_options_validate(&tune, err);
}

/* ---- data and backbone ------------------------------------------------------------------------- */

void wk_holdout_tell(const wk_holdout *split, const char *name, void (*on_data)(void *, const wk_train_data *),
                     void *user) {
  if (!on_data)
    return;
  wk_train_data found = {.name = name,
                         .photo_count = split->photos.count,
                         .train_count = split->photos.count - split->held_count,
                         .val_count = split->held_count,
                         .class_count = split->data->class_count,
                         .smallest = SIZE_MAX,
                         .ignored = split->data->ignored - split->data->aside};
  for (int k = 0; k < found.class_count; k++) {
    size_t have = 0;
    for (size_t i = 0; i < split->photos.count; i++)
      have += split->photos.labels[i] == k;
    found.smallest = have < found.smallest ? have : found.smallest;
    found.largest = have > found.largest ? have : found.largest;
  }
  on_data(user, &found);
}

/* The backbone that is learned with: pretrained, or the bare architecture. */
static wk_status open_backbone(wk_training *t, wk_error *err) {
  const wk_train_options *o = t->o;
  if (t->roster) {
    wk_model *m = NULL;
    WK_RETURN_IF_ERROR(wk_call_open_model(&m, &t->call, o->add, NULL, err));
    t->backbone = m->backbone;
    m->backbone = NULL;
    wk_model_free(m);
    return WK_OK;
  }
  if (o->kind == WK_TRAIN_SCRATCH) {
    const wk_arch *a = wk_arch_find(o->backbone);
    if (!a)
      return WK_FAIL(err, WK_ERR_NOT_FOUND,
                     "%s: --from-scratch needs the name of an architecture, such as simple_cnn or resnet18",
                     o->backbone);
    WK_RETURN_IF_ERROR(wk_backbone_init_random(&t->backbone, a, o->finetune.init, t->call.ctx.seed, err));
  } else {
    WK_RETURN_IF_ERROR(wk_backbone_open(&t->backbone, o->backbone, o->arch, wk_session_pull_options(t->call.session),
                                        &t->call.ctx, err));
  }
  wk_preprocess *p = &t->backbone->preprocess;
  p->srgb = p->srgb || o->srgb;
  if (!o->size && !o->resize)
    return WK_OK;
  wk_preprocess_set_size(p, o->size ? o->size : p->width, o->resize);
  return wk_preprocess_validate(p, err);
}

static wk_status prepare(wk_training *t, const char *data, wk_error *err) {
  const wk_train_options *o = t->o;
  const bool probe = o->kind == WK_TRAIN_PROBE;
  const wk_holdout_options split = {.labels_from_name = o->labels_from_name,
                                    .val = o->val,
                                    .always = !probe,
                                    .add = t->roster,
                                    .group_by = o->group_by,
                                    .exclude = o->exclude,
                                    .labels = o->labels};
  if (o->out) {
    WK_RETURN_IF_ERROR(wk_output_check(o->out, true, err));
    if (!probe)
      WK_RETURN_IF_ERROR(wk_finetune_check_outputs(o->out, &o->finetune, err));
  }
  WK_RETURN_IF_ERROR(wk_holdout_open(&t->split, &t->call, data, &split, err));
  WK_RETURN_IF_ERROR(open_backbone(t, err));
  if (t->roster && data)
    wk_call_note(&t->call,
                 "%s: %zu photos of %d classes; %zu more photos, %zu new in place of old ones, %zu new class%s", o->add,
                 t->roster->data->photo_count, t->roster->data->class_count, t->split.added[0], t->split.added[1],
                 t->split.added[2], t->split.added[2] == 1 ? "" : "es");
  wk_holdout_tell(&t->split, data, o->on_data, o->user);
  if (o->kind != WK_TRAIN_SCRATCH)
    return WK_OK;
  return wk_suit_scratch(&t->call, &t->split, &t->backbone->preprocess, &t->finetune.augment, o->size != 0,
                         o->augment_given, err);
}

/* Only tuned networks see changed photos; the picture can be had without training any. */
static wk_status show(wk_training *t, wk_error *err) {
  wk_train_report *r = t->report;
  WK_RETURN_IF_ERROR(wk_output_check(t->o->show_augment, false, err));
  WK_RETURN_IF_ERROR(
      wk_show_augment(&t->call, &t->split, &t->backbone->preprocess, &t->finetune, t->o->show_augment, err));
  r->shown = wk_strdup(t->o->show_augment);
  r->shown_augment = wk_augment_text(&t->finetune.augment);
  return r->shown && r->shown_augment ? WK_OK : wk_no_memory(err);
}

/* ---- the model --------------------------------------------------------------------------------- */

static wk_status copy_labels(wk_train_report *r, const wk_dataset *d, wk_error *err) {
  r->labels = wk_calloc((size_t)d->class_count + 1, sizeof *r->labels);
  if (!r->labels)
    return wk_no_memory(err);
  for (; r->class_count < d->class_count; r->class_count++)
    if (!(r->labels[r->class_count] = wk_strdup(d->classes[r->class_count])))
      return wk_no_memory(err);
  return WK_OK;
}

static wk_status train(wk_model **model, wk_train_report **report, wk_session *s, const char *data,
                       const wk_roster *roster, const wk_train_options *options, wk_error *err) {
  wk_status st = WK_OK;
  wk_train_options o = *options;
  wk_training t = {.o = &o, .finetune = o.finetune, .roster = roster};
  wk_call_begin(&t.call, s);
  if (roster) {
    WK_TRY(wk_roster_options(&o, roster, err));
    t.call.ctx.seed = roster->seed;
  }
  WK_TRY(wk_train_options_validate(&o, err));
  t.report = wk_calloc(1, sizeof *t.report);
  WK_FAIL_IF(!t.report, err, WK_ERR_MEMORY, "out of memory");
  t.report->kind = o.kind;
  t.report->head = o.probe.kind;
  t.report->val_top1 = wk_wilson(0, 0);
  WK_TRY(prepare(&t, data, err));
  WK_TRY(copy_labels(t.report, t.split.data, err));
  if (o.show_augment)
    WK_TRY(show(&t, err));
  if (!o.show_only)
    WK_TRY(o.kind == WK_TRAIN_PROBE ? wk_train_probe(&t, err) : wk_train_tune(&t, err));
  t.report->seconds = wk_call_seconds(&t.call);
  WK_TRY(wk_call_take_warnings(&t.report->warnings, &t.call, err));
  if (model) {
    *model = t.model;
    t.model = NULL;
  }
  if (report) {
    *report = t.report;
    t.report = NULL;
  }
done:
  wk_model_free(t.model);
  wk_train_report_free(t.report);
  wk_backbone_free(t.backbone);
  wk_holdout_free(&t.split);
  wk_call_end(&t.call);
  return st;
}

wk_status wk_train(wk_model **model, wk_train_report **report, wk_session *s, const char *data,
                   const wk_train_options *options, wk_error *err) {
  WK_NEED(err, s, data);
  wk_train_options o;
  wk_features_options kept;
  wk_roster *roster = NULL;
  wk_train_options_init(&o, WK_TRAIN_PROBE);
  if (options)
    o = *options;
  wk_session_features_options(&kept, s);
  if (o.add)
    WK_RETURN_IF_ERROR(wk_roster_read(&roster, kept.cache_folder, o.add, err));
  wk_status st = train(model, report, s, data, roster, &o, err);
  wk_roster_free(roster);
  return st;
}

wk_status wk_train_roster(wk_train_report **report, wk_session *s, const char *model, const wk_roster *r,
                          const char *out, wk_error *err) {
  wk_train_options o;
  wk_train_options_init(&o, WK_TRAIN_PROBE);
  o.add = model;
  o.out = out;
  return train(NULL, report, s, NULL, r, &o, err);
}
