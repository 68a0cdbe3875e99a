/* classifier.c - the classifier that a weight file of a known architecture brings: of one layer, maybe under another
 * name (fc = Sequential(Dropout, Linear)), or of several, which are carried out as they are. Weights hold no
 * activations: between two layers with room for one a ReLU is assumed, and that is told. What belongs to no network is
 * told too. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "import/import.h"
#include "zoo/zoo.h"

enum { MOST_LAYERS = 16, LONGEST = 256 };

typedef struct layer {
  char name[LONGEST]; /* "classifier.4" */
  bool norm;          /* batch norm, of `out` channels; else linear */
  int64_t in, out;
} layer;

typedef struct chain {
  layer at[MOST_LAYERS];
  int count, linears;
  bool assumed; /* an activation is */
} chain;

/* Numbers in names count as numbers: classifier.4 is before classifier.10. */
static int by_name(const char *a, const char *b) {
  while (*a && *b) {
    if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
      const size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
      const int d = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
      if (d)
        return d;
      a += n, b += m;
    } else if (*a != *b) {
      return *a < *b ? -1 : 1;
    } else {
      a++, b++;
    }
  }
  return (*a != 0) - (*b != 0);
}

/* Is it a parameter of the network's body? */
static bool is_of_body(const wk_graph *body, const char *name) {
  for (int i = 0; i < wk_graph_param_count(body); i++)
    if (strcmp(wk_graph_param(body, i)->name, name) == 0)
      return true;
  return false;
}

static bool has_part(const char *name, const char *part) {
  for (; *name; name++)
    if (strncasecmp(name, part, strlen(part)) == 0)
      return true;
  return false;
}

/* "classifier.4" of "classifier.4.weight", if the tensor is the weight of a linear layer or of a batch norm that is not
 * the body's. */
static bool layer_of(layer *out, const wk_graph *body, const wk_tensors *weights, const wk_tensor *t) {
  const size_t n = strlen(t->name);
  char mean[LONGEST + 16];
  if (n <= 7 || n >= LONGEST || strcmp(t->name + n - 7, ".weight") != 0 || is_of_body(body, t->name))
    return false;
  snprintf(out->name, sizeof out->name, "%.*s", (int)n - 7, t->name);
  snprintf(mean, sizeof mean, "%s.running_mean", out->name);
  out->norm = t->ndim == 1 && wk_tensors_find(weights, mean);
  out->out = t->ndim ? t->shape[0] : 0;
  out->in = t->ndim == 2 ? t->shape[1] : out->out;
  return t->ndim == 2 || out->norm;
}

static void insert(chain *c, const layer *l) {
  int i = c->count;
  if (i == MOST_LAYERS)
    return;
  for (; i > 0 && by_name(c->at[i - 1].name, l->name) > 0; i--)
    c->at[i] = c->at[i - 1];
  c->at[i] = *l;
  c->count++;
  c->linears += !l->norm;
}

/* Layers under the module `root` (n bytes), or under any other where it is NULL. */
static void gather(chain *out, const wk_graph *body, const wk_tensors *weights, const char *root, size_t n) {
  *out = (chain){0};
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    const wk_tensor *t = wk_tensors_at(weights, i);
    layer l;
    const bool under = root && strncmp(t->name, root, n) == 0 && t->name[n] == '.';
    if ((root ? under : !has_part(t->name, "aux")) && layer_of(&l, body, weights, t))
      insert(out, &l);
  }
}

/* Does each layer take what the one before it gives? */
static bool fits(const chain *c, int64_t features) {
  int64_t width = features;
  for (int i = 0; i < c->count; i++) {
    if (c->at[i].in != width)
      return false;
    width = c->at[i].out;
  }
  return c->linears > 0 && !c->at[c->count - 1].norm && width >= 1 && width <= INT32_MAX;
}

/* Where the numbers of two layers leave room for modules without weights between them: how many; -1: no numbers. */
static int room_between(const char *a, const char *b) {
  const char *x = strrchr(a, '.'), *y = strrchr(b, '.');
  if (!x || !y || x - a != y - b || strncmp(a, b, (size_t)(x - a)) != 0 || !isdigit((unsigned char)x[1]) ||
      !isdigit((unsigned char)y[1]) || strlen(x) > 8 || strlen(y) > 8)
    return -1;
  int from = 0, to = 0;
  sscanf(x + 1, "%d", &from);
  sscanf(y + 1, "%d", &to);
  return to - from - 1;
}

/* Adds the layers; between two linear ones a ReLU where there is room, in the first place that has some. */
static wk_node append(wk_graph *g, chain *c, wk_node x) {
  bool active = true;
  for (int i = 0; i < c->count; i++) {
    const layer *l = &c->at[i];
    const bool last = i + 1 == c->count, more = c->linears > 1 && !last;
    if (l->norm)
      x = wk_graph_batch_norm(g, l->name, x, 1e-5f);
    else
      x = wk_graph_linear(g, l->name, x, (int)l->out);
    active = active && l->norm;
    const int room = last ? 0 : room_between(l->name, c->at[i + 1].name);
    if (more && !active && (room > 0 || (room < 0 && !c->at[i + 1].norm))) {
      x = wk_graph_unary(g, WK_NAME("%.50s.relu", l->name), WK_OP_RELU, x);
      active = c->assumed = true;
    }
  }
  return x;
}

static wk_status build(wk_graph **out, const wk_graph *body, chain *c, wk_error *err) {
  wk_graph *g = NULL;
  wk_node x = -1;
  wk_status st = WK_OK;
  WK_TRY(wk_graph_create(&g, err));
  WK_TRY(wk_graph_copy_features(g, &x, body, err));
  const wk_node features = x;
  wk_graph_stage(g, "head");
  x = append(g, c, x);
  wk_graph_outputs(g, features, x);
  WK_TRY(wk_graph_finish(g, err));
  *out = g;
  g = NULL;
done:
  wk_graph_free(g);
  return st;
}

/* "classifier.1: 1280 to 256, classifier.4: 256 to 5" */
static void list_layers(wk_text *text, const chain *c) {
  bool first = true;
  for (int i = 0; i < c->count && i < 4; i++)
    if (!c->at[i].norm) {
      wk_text_add(text, "%s%.60s: %lld to %lld", first ? "" : ", ", c->at[i].name, (long long)c->at[i].in,
                  (long long)c->at[i].out);
      first = false;
    }
  if (c->count > 4)
    wk_text_add(text, ", and %d more", c->count - 4);
}

static wk_status tell(char **note, wk_text *text, wk_error *err) {
  if (text->failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  *note = text->data;
  text->data = NULL;
  return WK_OK;
}

/* The architecture's own linear layer, of the classifier that `c` is, under whatever name. */
static wk_status one_layer(wk_classifier *out, const chain *c, const char *name, wk_error *err) {
  out->classes = (int)c->at[0].out;
  if (strcmp(c->at[0].name, name) == 0)
    return WK_OK;
  out->found = wk_asprintf("%s.", c->at[0].name);
  out->wanted = wk_strdup(name);
  return out->found && out->wanted ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

static wk_status read(wk_classifier *out, const wk_graph *body, const char *name, const wk_arch *arch,
                      const wk_tensors *weights, bool elsewhere, wk_error *err) {
  wk_status st = WK_OK;
  wk_text text = {0};
  chain inside, other;
  gather(&inside, body, weights, name, strcspn(name, "."));
  if (!inside.count && elsewhere) {
    gather(&other, body, weights, NULL, 0);
    if (fits(&other, arch->feature_count)) {
      inside = other;
    } else if (other.linears) {
      wk_text_add(&text, "layers that are not %s's are not used: ", arch->name);
      list_layers(&text, &other);
      return tell(&out->note, &text, err);
    }
  }
  if (!inside.count)
    return WK_OK;
  if (!fits(&inside, arch->feature_count)) {
    list_layers(&text, &inside);
    st = WK_FAIL(err, WK_ERR_FORMAT, "its classifier does not fit the %d features of %s: %s", arch->feature_count,
                 arch->name, text.data ? text.data : "");
    wk_text_free(&text);
    return st;
  }
  if (inside.count == 1)
    return one_layer(out, &inside, name, err);
  out->classes = (int)inside.at[inside.count - 1].out;
  WK_RETURN_IF_ERROR(build(&out->graph, body, &inside, err));
  if (inside.linears == 1 && !inside.assumed)
    return WK_OK;
  wk_text_add(&text, "its classifier has %d layers (", inside.linears);
  list_layers(&text, &inside);
  wk_text_add(&text, ")%s", inside.assumed ? "; a ReLU between them is assumed, since weights do not say" : "");
  return tell(&out->note, &text, err);
}

/* A classifier that is a 1x1 convolution before the pooling (SqueezeNet's); false: there is none. */
static bool read_convolution(wk_classifier *out, const wk_graph *whole, const wk_arch *arch,
                             const wk_tensors *weights) {
  const wk_param_info *p = wk_graph_param(whole, wk_graph_param_count(whole) - 2); /* before its bias */
  const wk_tensor *t = wk_tensors_find(weights, p->name);
  const bool fits = t && t->ndim == 4 && t->shape[1] == arch->feature_count && t->shape[2] == 1 && t->shape[3] == 1 &&
                    t->shape[0] >= 1 && t->shape[0] <= INT32_MAX;
  out->classes = fits ? (int)t->shape[0] : 0;
  return fits;
}

wk_status wk_classifier_read(wk_classifier *out, const wk_arch *arch, const wk_tensors *weights, bool elsewhere,
                             wk_error *err) {
  wk_graph *body = NULL, *whole = NULL;
  wk_node_info logits;
  wk_status st = WK_OK;
  *out = (wk_classifier){0};
  WK_TRY(arch->build(&body, 0, err));
  /* Any number will do to learn the classifier's name, also of networks that are published without one. */
  WK_TRY(arch->build(&whole, arch->class_count ? arch->class_count : 1, err));
  WK_TRY(wk_graph_node(&logits, whole, wk_graph_logits(whole), 0, 0, err));
  if (logits.op == WK_OP_LINEAR || !read_convolution(out, whole, arch, weights))
    WK_TRY(read(out, body, logits.name, arch, weights, elsewhere, err));
done:
  if (st != WK_OK)
    wk_classifier_free(out);
  wk_graph_free(body);
  wk_graph_free(whole);
  return st;
}

void wk_classifier_free(wk_classifier *c) {
  wk_free(c->found);
  wk_free(c->wanted);
  wk_free(c->note);
  wk_graph_free(c->graph);
  *c = (wk_classifier){0};
}
