/* open.c - a backbone ready to use, from a name in the registry, a weight file, or tensors in memory. The file's
 * tensors decide: its classifier's shape gives the number of classes, and a common prefix of the names is taken off. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "zoo/zoo.h"

/* " Did you mean a, b or c?" or nothing. */
static void add_suggestions(wk_text *t, const char *name) {
  const char *near[3];
  int n = wk_arch_suggest(near, 3, name);
  for (int i = 0; i < n; i++)
    wk_text_add(t, "%s%s", i == 0 ? " Did you mean " : i == n - 1 ? " or " : ", ", near[i]);
  if (n > 0)
    wk_text_add(t, "?");
}

static wk_status fail_unknown(const char *name, const char *what, wk_error *err) {
  wk_text hint = {0};
  add_suggestions(&hint, name);
  wk_status st = WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such %s.%s", name, what, hint.data ? hint.data : "");
  wk_text_free(&hint);
  return st;
}

/* What the graph's own check says, or, where that is content, that a deeper network's convolutions are left over. */
static wk_status fail_mismatch(const wk_arch *arch, const wk_tensors *weights, wk_error *err) {
  wk_graph *g = NULL;
  wk_status st = arch->build(&g, 0, err);
  if (st == WK_OK)
    st = wk_graph_check_weights(g, weights, -1, err);
  if (st == WK_OK)
    st = WK_FAIL(err, WK_ERR_FORMAT,
                 "there are more convolutions than %s has: these weights belong to a deeper network", arch->name);
  else
    st = wk_error_prefix(err, st, "these are not the weights of %s", arch->name);
  wk_graph_free(g);
  return st;
}

static void release_tensors(void *user) { wk_tensors_free(user); }
static void rest_tensors(void *user) { wk_tensors_release_pages(user); }

/* The tensors under a prefix as a set of their own, without it, and the others as they are called where that is free;
 * data and ownership stay with `weights`. */
static wk_status strip_prefix(wk_tensors **out, const wk_tensors *weights, const char *prefix, size_t length,
                              wk_error *err) {
  wk_tensors *stripped = NULL;
  wk_status st = WK_OK;
  WK_TRY(wk_tensors_create(&stripped, err));
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    wk_tensor t = *wk_tensors_at(weights, i);
    if (strncmp(t.name, prefix, length) != 0 || !t.name[length])
      continue;
    t.name += length;
    WK_TRY(wk_tensors_add_view(stripped, &t, err));
  }
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    const wk_tensor *t = wk_tensors_at(weights, i);
    if (strncmp(t->name, prefix, length) != 0 && !wk_tensors_find(stripped, t->name))
      WK_TRY(wk_tensors_add_view(stripped, t, err));
  }
  *out = stripped;
  stripped = NULL;
done:
  wk_tensors_free(stripped);
  return st;
}

/* The same tensors, those of layer `from` ("fc.1.") under the name of layer `to` ("fc"). */
static wk_status rename_layer(wk_tensors **out, const wk_tensors *weights, const char *from, const char *to,
                              wk_error *err) {
  wk_tensors *renamed = NULL;
  wk_status st = WK_OK;
  const size_t length = strlen(from);
  WK_TRY(wk_tensors_create(&renamed, err));
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    wk_tensor t = *wk_tensors_at(weights, i);
    char *name = strncmp(t.name, from, length) == 0 ? wk_asprintf("%s.%s", to, t.name + length) : wk_strdup(t.name);
    WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
    t.name = name;
    st = wk_tensors_add_view(renamed, &t, err);
    wk_free(name);
    if (st != WK_OK)
      goto done;
  }
  *out = renamed;
  renamed = NULL;
done:
  wk_tensors_free(renamed);
  return st;
}

/* ---- the hash ----------------------------------------------------------------------------------- */

struct wk_kept_hash {
  pthread_mutex_t mutex;
  bool found;
  uint8_t hash[WK_SHA256_BYTES];
};

wk_status wk_backbone_keep_hash(wk_backbone *b, wk_error *err) {
  b->kept = wk_calloc(1, sizeof *b->kept);
  if (!b->kept)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  pthread_mutex_init(&b->kept->mutex, NULL);
  return WK_OK;
}

static void free_hash(wk_backbone *b) {
  if (b->kept)
    pthread_mutex_destroy(&b->kept->mutex);
  wk_free(b->kept);
}

wk_status wk_backbone_hash(uint8_t out[WK_SHA256_BYTES], const wk_backbone *b, wk_error *err) {
  struct wk_kept_hash *k = b->kept;
  wk_status st = WK_OK;
  if (!k)
    return wk_weights_hash(out, b->graph, b->weights, wk_graph_features(b->graph), err);
  pthread_mutex_lock(&k->mutex);
  if (!k->found)
    st = wk_weights_hash(k->hash, b->graph, b->weights, wk_graph_features(b->graph), err);
  k->found = st == WK_OK;
  if (st == WK_OK)
    memcpy(out, k->hash, sizeof k->hash);
  pthread_mutex_unlock(&k->mutex);
  return st;
}

/* ---- opening ------------------------------------------------------------------------------------ */

/* `whole`: the weights are all of a file, so that layers of any name may be the classifier. */
static wk_status backbone_from(wk_backbone **out, const wk_arch *arch, wk_tensors *weights, bool whole, wk_error *err) {
  wk_backbone *b = wk_calloc(1, sizeof *b);
  wk_tensors *stripped = NULL, *renamed = NULL;
  wk_classifier c = {0};
  wk_status st = WK_OK;
  wk_match m;
  WK_FAIL_IF(!b, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_arch_match(&m, arch, weights, err));
  if (!m.fits)
    WK_TRY(fail_mismatch(arch, weights, err));
  if (m.length > 0)
    WK_TRY(strip_prefix(&stripped, weights, m.prefix, m.length, err));
  wk_tensors *own = stripped ? stripped : weights;
  b->arch = arch;
  b->preprocess = arch->preprocess;
  WK_TRY(wk_classifier_read(&c, arch, own, whole, err));
  b->class_count = c.classes;
  if (c.found) {
    WK_TRY(rename_layer(&renamed, own, c.found, c.wanted, err));
    own = renamed;
  }
  if (m.other) {
    char *both = wk_asprintf("there is another network in it, under %.*s: --weights-key takes that%s%s",
                             (int)m.other_length - 1, m.other, c.note ? "; " : "", c.note ? c.note : "");
    WK_FAIL_IF(!both, err, WK_ERR_MEMORY, "out of memory");
    wk_free(c.note);
    c.note = both;
  }
  b->graph = c.graph;
  b->note = c.note;
  c.graph = NULL;
  c.note = NULL;
  if (!b->graph)
    WK_TRY(arch->build(&b->graph, b->class_count, err));
  WK_TRY(wk_graph_check_weights(b->graph, own, -1, err));
  WK_TRY(wk_backbone_keep_hash(b, err));
  /* From here on an old set goes with the new one, which has room for what it keeps before it is given it. */
  if (renamed)
    WK_TRY(wk_tensors_keep(renamed, release_tensors, rest_tensors, stripped ? stripped : weights, err));
  if (stripped && (st = wk_tensors_keep(stripped, release_tensors, rest_tensors, weights, err)) != WK_OK) {
    if (renamed)
      stripped = NULL; /* renamed's now */
    goto done;
  }
  b->weights = own;
  stripped = renamed = NULL;
  *out = b;
  b = NULL;
done:
  wk_classifier_free(&c);
  wk_tensors_free(renamed);
  wk_tensors_free(stripped);
  wk_backbone_free(b);
  return st;
}

wk_status wk_backbone_from(wk_backbone **out, const wk_arch *arch, wk_tensors *weights, wk_error *err) {
  return backbone_from(out, arch, weights, false, err);
}

void wk_backbone_free(wk_backbone *b) {
  if (!b)
    return;
  free_hash(b);
  wk_graph_free(b->graph);
  wk_tensors_free(b->weights);
  wk_tensors_free(b->ranges);
  wk_free(b->note);
  wk_free(b->file);
  wk_free(b->file_key);
  wk_imported_free(b);
  wk_free(b);
}

wk_status wk_backbone_plan(wk_plan **out, const wk_backbone *b, const wk_plan_options *o, wk_error *err) {
  const wk_preprocess *p = &b->preprocess;
  wk_pixels pixels = {.bgr = p->bgr};
  memcpy(pixels.mean, p->mean, sizeof pixels.mean);
  memcpy(pixels.std, p->std, sizeof pixels.std);
  wk_plan_options all = *o;
  all.height = p->height;
  all.width = p->width;
  all.pixels = &pixels;
  return wk_plan_create(out, b->graph, b->weights, &all, err);
}

/* What the reader of the weights tells, before what was told of the classifier. */
static wk_status add_note(wk_backbone *b, const char *note, wk_error *err) {
  if (!note)
    return WK_OK;
  char *both = b->note ? wk_asprintf("%s; %s", note, b->note) : wk_strdup(note);
  if (!both)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  wk_free(b->note);
  b->note = both;
  return WK_OK;
}

/* Where the weights are, for models that leave them there. */
static wk_status keep_file(wk_backbone *b, const char *path, const wk_pull_options *o, wk_error *err) {
  char *whole = realpath(path, NULL);
  b->file = wk_strdup(whole ? whole : path);
  free(whole);
  b->file_key = o->weights_key ? wk_strdup(o->weights_key) : NULL;
  return b->file && (b->file_key || !o->weights_key) ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

/* A weight file of an architecture that is given, or recognised. `named`: the registry's own, whose preprocessing it
 * knows. */
static wk_status open_file(wk_backbone **out, const char *path, const wk_arch *arch, bool named,
                           const wk_pull_options *o, wk_error *err) {
  wk_tensors *weights = NULL;
  wk_backbone *b = NULL;
  wk_status st = WK_OK;
  char *note = NULL, *inside = NULL;
  if (!arch && wk_import_is(path)) {
    WK_RETURN_IF_ERROR(wk_imported_open(&b, path, o, err));
    WK_TRY(keep_file(b, path, o, err));
    *out = b;
    b = NULL;
    goto done;
  }
  if (wk_path_is_dir(path)) {
    WK_RETURN_IF_ERROR(wk_weights_in_folder(&inside, path, err));
    st = open_file(out, inside, arch, named, o, err);
    wk_free(inside);
    return st;
  }
  WK_TRY(named && wk_import_is(path) ? wk_weights_of_graph(&weights, path, arch, err)
                                     : wk_weights_open_key(&weights, path, o->weights_key, err));
  const char *says = wk_tensors_meta(weights, WK_WEIGHTS_NOTE);
  note = says ? wk_strdup(says) : NULL; /* it goes with the weights */
  WK_TRY(wk_weights_todays_names(&weights, err));
  const wk_arch *published = wk_arch_of_file(path);
  WK_TRY(wk_children_named(&weights, err));
  if (arch)
    WK_TRY(wk_timm_rename(&weights, arch, err));
  else
    arch = wk_arch_recognise(weights);
  if (!arch)
    WK_TRY(wk_timm_recognise(&arch, &weights, err));
  if (arch && published && published->build == arch->build)
    arch = published; /* weights trained anew want another preprocessing */
  WK_FAIL_IF(!arch, err, WK_ERR_UNSUPPORTED,
             "%s: %s%sits %zu tensors (the first is %s) fit none of the known networks; if it is one of them, name it "
             "(--arch) "
             "to see what differs; any other comes with its graph as ONNX (torch.onnx.export)",
             path, note ? note : "", note ? "; " : "", wk_tensors_size(weights),
             wk_tensors_size(weights) ? wk_tensors_at(weights, 0)->name : "none");
  st = backbone_from(&b, arch, weights, true, err);
  if (st != WK_OK) {
    st = wk_error_prefix(err, st, "%s", path);
    goto done;
  }
  weights = NULL;
  WK_TRY(add_note(b, note, err));
  WK_TRY(keep_file(b, path, o, err));
  if (!named)
    WK_TRY(wk_beside_apply(b, path, o, err));
  *out = b;
  b = NULL;
done:
  wk_free(note);
  wk_backbone_free(b);
  wk_tensors_free(weights);
  return st;
}

static wk_status open_named(wk_backbone **out, const char *name, const char *arch_name, const wk_pull_options *o,
                            const wk_context *ctx, wk_error *err) {
  const wk_arch *known = wk_arch_find(name), *arch = NULL;
  if (arch_name) {
    arch = wk_arch_find(arch_name);
    if (!arch)
      return fail_unknown(arch_name, "architecture", err);
  }
  if (!known) {
    if (!wk_path_exists(name))
      return fail_unknown(name, strchr(name, '/') ? "weight file" : "file or backbone", err);
    return open_file(out, name, arch, false, o, err);
  }
  if (arch && arch->build != known->build)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s is not a %s: the architecture is only to be told with a weight file", name,
                   arch->name);
  char *path = o->folder ? wk_weights_path(known, o->folder) : NULL;
  wk_status st = path ? WK_OK : wk_weights_pull(&path, NULL, known, o, ctx, err);
  wk_error why = {0};
  if (st == WK_OK) {
    wk_pull_options as_it_is = *o; /* no key was said of the published file */
    as_it_is.weights_key = NULL;
    st = open_file(out, path, known, true, &as_it_is, &why);
    if (st == WK_OK) { /* the name says where it is */
      wk_free((*out)->file);
      (*out)->file = NULL;
    }
    if (st == WK_ERR_FORMAT)
      WK_FAIL(err, st, "%s; `whisker pull %s` fetches it again if it is damaged", why.message, known->name);
    else if (st != WK_OK)
      WK_FAIL(err, st, "%s", why.message);
  }
  wk_free(path);
  return st;
}

wk_status wk_backbone_open(wk_backbone **out, const char *name, const char *arch, const wk_pull_options *o,
                           const wk_context *ctx, wk_error *err) {
  wk_backbone *b = NULL;
  wk_pull_options defaults;
  wk_pull_options_init(&defaults);
  if (!o)
    o = &defaults;
  WK_RETURN_IF_ERROR(open_named(&b, name, arch, o, ctx, err));
  wk_status st = wk_backbone_apply(b, o, err);
  if (st != WK_OK) {
    wk_backbone_free(b);
    return st;
  }
  if (b->note)
    wk_warn(ctx, "%s: %s", name, b->note);
  if (b->assumed)
    wk_warn(ctx,
            "%s does not say how photos become its input: %s. If that is not so, --pixels says it (torch, tf, caffe, "
            "unit, or SCALE,SHIFT)",
            name, b->prepared);
  *out = b;
  return WK_OK;
}
