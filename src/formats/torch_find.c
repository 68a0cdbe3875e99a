/* torch_find.c - where in what was saved the weights are: a dict of named tensors under any key, or a module, whose
 * tensors are attributes of it and of the modules inside. Other objects beside them are passed over. Of several
 * networks the one under a usual key is taken, and that is told; where none is, the choice is the user's. */
#include <string.h>

#include "formats/torch.h"

enum {
  KEYS_DEEP = 4,         /* keys down to a dict of weights */
  MODULES_DEEP = 64,     /* modules inside modules */
  MOST_VISITS = 1 << 20, /* values looked at: what is shared may unfold to far more */
  MOST_NETWORKS = 16,
  LONGEST_NAME = 1000
};

/* A dict of tensors, or a module. */
typedef struct network {
  const wk_py *value;
  char path[200]; /* keys down to it, with dots; "": all of it */
  bool weights;   /* some tensor is called a weight */
  size_t tensors;
} network;

typedef struct search {
  wk_torch *t;
  network found[MOST_NETWORKS];
  int count;
  size_t visits;
} search;

/* ---- what a value is ------------------------------------------------------------------------------ */

static bool is_script(const wk_py *v) {
  return v->kind == WK_PY_OBJECT && strncmp(v->as.object->of, "__torch__.", 10) == 0;
}

static bool is_module(const wk_py *v) {
  const wk_py *state = wk_py_attributes(v);
  return state && (is_script(v) || (wk_py_get(state, "_modules") && wk_py_get(state, "_parameters")));
}

static bool ends_in(const char *name, const char *end) {
  const size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

static bool is_weight(const char *name) {
  return ends_in(name, "weight") || ends_in(name, "bias") || ends_in(name, "_W_q");
}

/* Name and tensor of entry `i`; NULL: it is something else. */
static const wk_py *entry_tensor(const char **name, const wk_py *dict, size_t i) {
  const wk_py *key = dict->as.list.item[2 * i], *value = dict->as.list.item[2 * i + 1];
  if (key->kind != WK_PY_STR || value->kind != WK_PY_TENSOR)
    return NULL;
  *name = key->as.text.data;
  return value;
}

/* ---- names and tensors of one network --------------------------------------------------------------- */

static wk_status add_entry(wk_torch_weights *out, const char *name, const wk_py *value, wk_error *err) {
  if (out->count == out->room) {
    const size_t room = out->room ? 2 * out->room : 256;
    wk_torch_entry *grown = wk_grow(out->entry, out->count * sizeof *grown, room * sizeof *grown);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for weights");
    out->entry = grown;
    out->room = room;
  }
  out->entry[out->count++] = (wk_torch_entry){name, value->as.tensor};
  return WK_OK;
}

static wk_status add_dict(wk_torch_weights *out, const wk_py *dict, wk_error *err) {
  const char *name;
  for (size_t i = 0; i < dict->as.list.size / 2; i++) {
    const wk_py *value = entry_tensor(&name, dict, i);
    if (value && strlen(name) != dict->as.list.item[2 * i]->as.text.size)
      return WK_FAIL(err, WK_ERR_FORMAT, "a tensor's name holds a zero byte");
    if (value)
      WK_RETURN_IF_ERROR(add_entry(out, name, value, err));
  }
  return WK_OK;
}

static wk_status add_module(wk_torch_weights *out, search *s, const wk_py *module, const char *prefix, int depth,
                            wk_error *err);

/* Tensors of `dict` under `prefix`, and, where `modules`, what is in the modules of it. */
static wk_status add_members(wk_torch_weights *out, search *s, const wk_py *dict, const char *prefix, bool modules,
                             int depth, wk_error *err) {
  for (size_t i = 0; dict && i < dict->as.list.size / 2; i++) {
    const wk_py *key = dict->as.list.item[2 * i], *value = dict->as.list.item[2 * i + 1];
    const bool inside = modules && is_module(value);
    if (s->visits++ > MOST_VISITS || depth > MODULES_DEEP)
      return WK_FAIL(err, WK_ERR_FORMAT, "the pickle describes more objects than any network has");
    if (key->kind != WK_PY_STR || (!inside && value->kind != WK_PY_TENSOR))
      continue;
    const size_t n = strlen(prefix) + strlen(key->as.text.data) + 2;
    char *name = n < LONGEST_NAME ? wk_arena_alloc(&s->t->arena, n) : NULL;
    if (!name)
      return wk_py_out_of_memory(&s->t->arena, err);
    snprintf(name, n, "%s%s%s", prefix, *prefix ? "." : "", key->as.text.data);
    WK_RETURN_IF_ERROR(inside ? add_module(out, s, value, name, depth + 1, err) : add_entry(out, name, value, err));
  }
  return WK_OK;
}

static bool among(const wk_py *names, const char *name) {
  for (size_t i = 0; names && names->kind == WK_PY_LIST && i < names->as.list.size; i++)
    if (names->as.list.item[i]->kind == WK_PY_STR && strcmp(names->as.list.item[i]->as.text.data, name) == 0)
      return true;
  return false;
}

/* Buffers but for those that state_dict() leaves out. */
static wk_status add_buffers(wk_torch_weights *out, search *s, const wk_py *state, const char *prefix, int depth,
                             wk_error *err) {
  const wk_py *left_out = wk_py_get(state, "_non_persistent_buffers_set");
  const size_t before = out->count, skip = *prefix ? strlen(prefix) + 1 : 0;
  WK_RETURN_IF_ERROR(add_members(out, s, wk_py_dict(wk_py_get(state, "_buffers")), prefix, false, depth, err));
  size_t kept = before;
  for (size_t i = before; i < out->count; i++)
    if (!among(left_out, out->entry[i].name + skip))
      out->entry[kept++] = out->entry[i];
  out->count = kept;
  return WK_OK;
}

static wk_status add_module(wk_torch_weights *out, search *s, const wk_py *module, const char *prefix, int depth,
                            wk_error *err) {
  const wk_py *state = wk_py_attributes(module);
  if (is_script(module))
    return add_members(out, s, state, prefix, true, depth, err);
  WK_RETURN_IF_ERROR(add_members(out, s, wk_py_dict(wk_py_get(state, "_parameters")), prefix, false, depth, err));
  WK_RETURN_IF_ERROR(add_buffers(out, s, state, prefix, depth, err));
  return add_members(out, s, wk_py_dict(wk_py_get(state, "_modules")), prefix, true, depth, err);
}

/* ---- looking for networks ---------------------------------------------------------------------------- */

/* What optimisers and schedules keep is no network, though it has tensors. */
static bool is_aside(const char *key) {
  static const char *const asides[] = {"optim", "scheduler", "lr_schedul", "scaler",
                                       "amp",   "rng",       "callbacks",  "loops"};
  for (size_t i = 0; i < sizeof asides / sizeof *asides; i++)
    if (strncmp(key, asides[i], strlen(asides[i])) == 0)
      return true;
  return strcmp(key, "opt") == 0 || ends_in(key, "optimizer") || ends_in(key, "rng_state");
}

static wk_status note_network(search *s, const wk_py *value, const char *path, wk_error *err) {
  wk_torch_weights w = {0};
  const wk_py *dict = wk_py_dict(value);
  network n = {.value = value};
  wk_status st = is_module(value) ? add_module(&w, s, value, "", 0, err) : dict ? add_dict(&w, dict, err) : WK_OK;
  n.tensors = w.count;
  for (size_t i = 0; i < w.count; i++)
    n.weights |= is_weight(w.entry[i].name);
  wk_free(w.entry);
  snprintf(n.path, sizeof n.path, "%s", path);
  if (st == WK_OK && n.tensors && s->count < MOST_NETWORKS)
    s->found[s->count++] = n;
  return st;
}

static wk_status look(search *s, const wk_py *value, const char *path, int depth, wk_error *err) {
  const wk_py *inside[2] = {wk_py_dict(value), is_module(value) ? NULL : wk_py_attributes(value)};
  WK_RETURN_IF_ERROR(note_network(s, value, path, err));
  for (int k = 0; k < 2 && depth < KEYS_DEEP; k++)
    for (size_t i = 0; inside[k] && i < inside[k]->as.list.size / 2; i++) {
      const wk_py *key = inside[k]->as.list.item[2 * i], *next = inside[k]->as.list.item[2 * i + 1];
      char longer[sizeof s->found->path];
      if (s->visits++ > MOST_VISITS)
        return WK_OK;
      if (key->kind != WK_PY_STR || is_aside(key->as.text.data) ||
          (next->kind != WK_PY_DICT && next->kind != WK_PY_OBJECT))
        continue;
      if (snprintf(longer, sizeof longer, "%s%s%s", path, *path ? "." : "", key->as.text.data) >= (int)sizeof longer)
        continue;
      WK_RETURN_IF_ERROR(look(s, next, longer, depth + 1, err));
    }
  return WK_OK;
}

static const char *last_key(const network *n) {
  const char *dot = strrchr(n->path, '.');
  return dot ? dot + 1 : n->path;
}

/* The network that is plainly meant: the only one, or the only one under the most usual key. NULL: none. */
static const network *meant(const search *s) {
  static const char *const usual[] = {"state_dict", "model_state_dict", "model", "net", ""};
  if (s->count == 1)
    return &s->found[0];
  for (size_t u = 0; u < sizeof usual / sizeof *usual; u++) {
    const network *only = NULL;
    int same = 0;
    for (int i = 0; i < s->count; i++)
      if (strcmp(last_key(&s->found[i]), usual[u]) == 0) {
        only = &s->found[i];
        same++;
      }
    if (same)
      return same == 1 ? only : NULL;
  }
  return NULL;
}

/* Those without weights count where there are no others. */
static void keep_networks(search *s) {
  int kept = 0;
  for (int i = 0; i < s->count; i++)
    if (s->found[i].weights)
      s->found[kept++] = s->found[i];
  s->count = kept ? kept : s->count;
}

/* "a (12 tensors), b (12 tensors)" of all but `chosen`. */
static void list_networks(char *out, size_t size, const search *s, const network *chosen) {
  size_t at = 0;
  *out = 0;
  for (int i = 0; i < s->count && at < size; i++)
    if (&s->found[i] != chosen)
      at += (size_t)snprintf(out + at, size - at, "%s%s (%zu tensors)", at ? ", " : "",
                             *s->found[i].path ? s->found[i].path : "the file itself", s->found[i].tensors);
}

/* ---- telling -------------------------------------------------------------------------------------------- */

/* What the file holds instead of weights, for the message. */
static wk_status no_tensors(const wk_torch *t, wk_error *err) {
  const wk_py *root = t->root;
  if (root->kind == WK_PY_TENSOR)
    return WK_FAIL(err, WK_ERR_FORMAT, "holds a single tensor without a name, not the state dict of a network");
  if (is_script(root))
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "a TorchScript program whose weights have no names (it was frozen): save it before torch.jit.freeze, "
        "or save its state_dict(), or export it to ONNX");
  if (t->foreign)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "asks for the Python object %.200s, which whisker does not run or build, and holds no weights beside "
        "it: only plain tensors are read. If you trust it, load it in Python and save its state_dict()",
        t->foreign);
  if (root->kind != WK_PY_DICT)
    return WK_FAIL(err, WK_ERR_FORMAT, "holds no state dict: a dict of named tensors was expected");
  char keys[200] = "";
  for (size_t i = 0, at = 0; i < root->as.list.size / 2 && at < sizeof keys; i++) {
    const wk_py *key = root->as.list.item[2 * i];
    if (key->kind == WK_PY_STR)
      at += (size_t)snprintf(keys + at, sizeof keys - at, "%s%.40s", at ? ", " : "", key->as.text.data);
  }
  return WK_FAIL(err, WK_ERR_FORMAT, "holds no tensors; its entries are: %s", *keys ? keys : "none");
}

/* What the weights were taken out of, where that was more than a dict of them. */
static wk_status tell(wk_torch *t, const search *s, const network *n, wk_error *err) {
  char others[400], *note = NULL;
  wk_status st = WK_OK;
  if (is_script(n->value))
    note = wk_strdup("a TorchScript program: its weights are taken by their names, its code is not run");
  else if (is_module(n->value))
    note = wk_asprintf("a whole Python object (%.100s): its weights are taken by their names, its code is not run",
                       n->value->as.object->of);
  else if (s->count > 1) {
    list_networks(others, sizeof others, s, n);
    note = wk_asprintf("its weights are those under %s; there are also %s: --weights-key takes others",
                       *n->path ? n->path : "no key", others);
  } else {
    return WK_OK;
  }
  if (!note)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  st = wk_tensors_set_meta(t->out, WK_WEIGHTS_NOTE, note, err);
  wk_free(note);
  return st;
}

wk_status wk_torch_find_weights(wk_torch_weights *out, wk_torch *t, wk_error *err) {
  wk_status st = WK_OK;
  const network *n = NULL;
  char names[400];
  search *s = wk_calloc(1, sizeof *s);
  WK_FAIL_IF(!s, err, WK_ERR_MEMORY, "not enough memory for weights");
  s->t = t;
  WK_TRY(look(s, t->root, "", 0, err));
  if (t->key)
    for (int i = 0; i < s->count && !n; i++)
      n = strcmp(s->found[i].path, t->key) == 0 ? &s->found[i] : NULL;
  if (t->key && n)
    t->key = NULL; /* found: it is no prefix of names */
  keep_networks(s);
  if (!s->count)
    WK_TRY(no_tensors(t, err));
  if (!n)
    n = meant(s);
  if (!n) {
    list_networks(names, sizeof names, s, NULL);
    WK_TRY(WK_FAIL(err, WK_ERR_UNSUPPORTED, "holds several networks: %s. Say which with --weights-key KEY", names));
  }
  WK_TRY(tell(t, s, n, err));
  st = is_module(n->value) ? add_module(out, s, n->value, "", 0, err) : add_dict(out, wk_py_dict(n->value), err);
done:
  wk_free(s);
  return st;
}
