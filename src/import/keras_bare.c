/* keras_bare.c - which network of keras.applications a file of weights alone belongs to: the one that finds every
 * weight of its layers there, by names or by Keras 3's places, and leaves none over. Where none does, the nearest says
 * what differs. */
#include <string.h>

#include "import/keras.h"

enum { MOST_TOLD = 4, TOLD = 1200 };

/* How a network and the file differ; names of the first few. */
typedef struct difference {
  size_t missing, unexpected, found;
  char missing_told[TOLD], unexpected_told[TOLD];
} difference;

static void tell(char told[TOLD], size_t already, const char *name, const char *near) {
  const size_t n = strlen(told);
  if (already < MOST_TOLD)
    snprintf(told + n, TOLD - n, "%s%.100s%s%.100s%s", already ? ", " : "", name, near ? " (the file has " : "",
             near ? near : "", near ? ")" : "");
}

/* The names of the weights of one layer, the last NULL; a second name for the same after '|'. */
static const char *const *variables_of(const json_t *layer) {
  static const struct {
    const char *class, *name[5];
  } known[] = {{"Conv2D", {"kernel", "bias"}},
               {"DepthwiseConv2D", {"depthwise_kernel", "bias"}},
               {"SeparableConv2D", {"depthwise_kernel", "pointwise_kernel", "bias"}},
               {"Dense", {"kernel", "bias"}},
               {"BatchNormalization", {"gamma", "beta", "moving_mean", "moving_variance"}}};
  static const char *const none[] = {NULL};
  const char *class = json_string_value(json_object_get(layer, "class_name"));
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(class, known[i].class) == 0)
      return known[i].name;
  return none;
}

/* Weights that belong to no layer of a network: of the optimiser, of random numbers. */
static bool is_aside(const char *path) {
  return strstr(path, "seed_generator") || strstr(path, "optimizer") || strstr(path, "top_level_model_weights");
}

/* Another weight of that name whose layer's name is the most like: it begins with as many letters as any. */
static const char *near(const wk_keras_names *n, const bool *used, const char *layer, const char *name) {
  const char *best = NULL;
  size_t most = 3;
  for (size_t i = 0; i < n->count; i++) {
    const char *path = n->path(n->user, i), *end = strrchr(path, '/');
    size_t same = 0;
    if (used[i] || !end || strncmp(end + 1, name, strlen(name)) != 0)
      continue;
    while (layer[same] && layer[same] == path[same])
      same++;
    if (same > most) {
      most = same;
      best = path;
    }
  }
  return best;
}

static ptrdiff_t find(const wk_keras_names *n, const wk_keras_variable *v) {
  const ptrdiff_t at = n->find(n->user, v);
  if (at >= 0 || strcmp(v->name, "depthwise_kernel") != 0)
    return at;
  wk_keras_variable also = *v; /* as Keras 3 calls it */
  also.name = "kernel";
  return n->find(n->user, &also);
}

/* used[count] is for which weights of the file the network has found a place. */
static void compare(difference *d, bool *used, const wk_keras_names *n, const json_t *model) {
  const json_t *layers = json_object_get(json_object_get(model, "config"), "layers"), *layer;
  size_t i;
  *d = (difference){0};
  memset(used, 0, n->count * sizeof *used);
  for (int told = 0; told < 2; told++) /* what is missing is told when all that is there is known */
    json_array_foreach(layers, i, layer) {
      const char *const *name = variables_of(layer), *own = json_string_value(json_object_get(layer, "name"));
      const bool bias = !json_is_false(json_object_get(json_object_get(layer, "config"), "use_bias"));
      char trail[400];
      if (*name)
        wk_keras_trail(trail, "", layers, i);
      for (int k = 0; name[k] && (bias || strcmp(name[k], "bias") != 0); k++) {
        const wk_keras_variable v = {.layer = own, .trail = trail, .name = name[k], .index = k};
        const ptrdiff_t at = find(n, &v);
        if (at >= 0 && !told)
          d->found += !used[at], used[at] = true;
        else if (at < 0 && told) {
          char text[200];
          snprintf(text, sizeof text, "%.90s/%.60s", own, name[k]);
          tell(d->missing_told, d->missing, text, d->missing < MOST_TOLD ? near(n, used, own, name[k]) : NULL);
          d->missing++;
        }
      }
    }
  for (i = 0; i < n->count; i++)
    if (!used[i] && !is_aside(n->path(n->user, i)))
      tell(d->unexpected_told, d->unexpected++, n->path(n->user, i), NULL);
}

static wk_status refuse(const difference *d, const char *nearest, const wk_keras_names *n, wk_error *err) {
  static const char cure[] = "Or load them into their model and save it whole, with model.save(\"model.keras\")";
  if (!d->found)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "an HDF5 file without the description of a Keras model: it holds weights alone (save_weights), %zu "
                   "of them (the first is %.100s), of none of the networks of keras.applications that whisker knows "
                   "by their layers. Load them into their model and save it whole, with model.save(\"model.keras\")",
                   n->count, n->count ? n->path(n->user, 0) : "none");
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "an HDF5 file of weights alone (save_weights). Of the networks of keras.applications %s is the "
                 "nearest; %zu of its weights are missing%s%s, %zu of the file are not its own%s%s. %s",
                 nearest, d->missing, d->missing ? ": " : "", d->missing_told, d->unexpected, d->unexpected ? ": " : "",
                 d->unexpected_told, cure);
}

wk_status wk_keras_recognise(json_t **model, const char **network, const wk_keras_names *n, wk_error *err) {
  wk_status st = WK_OK;
  json_t *one = NULL;
  difference *d = wk_calloc(2, sizeof *d); /* the one at hand, the nearest */
  bool *used = wk_calloc(n->count + 1, sizeof *used);
  const char *nearest = "none";
  WK_FAIL_IF(!d || !used, err, WK_ERR_MEMORY, "out of memory for a network");
  for (int i = 0; wk_keras_application_name(i); i++)
    for (int top = 1; top >= 0; top--) {
      WK_TRY(wk_keras_application(&one, i, top, err));
      compare(&d[0], used, n, one);
      if (!d[0].missing && !d[0].unexpected) {
        *model = one;
        *network = wk_keras_application_name(i);
        one = NULL;
        goto done;
      }
      json_decref(one);
      one = NULL;
      if (strcmp(nearest, "none") == 0 || d[0].missing + d[0].unexpected < d[1].missing + d[1].unexpected) {
        d[1] = d[0];
        nearest = wk_keras_application_name(i);
      }
    }
  st = refuse(&d[1], nearest, n, err);
done:
  json_decref(one);
  wk_free(used);
  wk_free(d);
  return st;
}
