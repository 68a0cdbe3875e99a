/* bench_ideal.c - do ideal pictures show what they should? Draws classes with one network and asks others, at full size
 * and after shrinking to 48 pixels and back, where large shapes alone are left.
 *
 *   bench_ideal DRAWER JUDGE... [--classes 281,340] [--steps N] [--out FOLDER]
 *
 * Networks are names of the registry or NAME=FILE. Without --classes: 20 animals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "whisker/whisker.h"

enum { MOST_JUDGES = 8, SMALL = 48 };

static const char animals[] = "1,22,76,94,130,145,207,258,277,281,284,291,292,296,327,340,354,366,386,388";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static wk_status open_network(wk_model **out, char *name, wk_error *err) {
  char *file = strchr(name, '=');
  if (file)
    *file++ = 0;
  wk_pull_options o;
  wk_pull_options_init(&o);
  return wk_model_open(out, file ? file : name, file ? name : NULL, &o, NULL, err);
}

/* 1 + how many classes the network finds likelier than `target`. */
static wk_status ask(int *rank, float *scores, const wk_model *m, const wk_image *picture, int target, wk_error *err) {
  const wk_preprocess *p = &m->backbone->preprocess;
  wk_explain_input in = {0};
  wk_status st = wk_image_resize(&in.seen, picture, p->width, p->height, WK_FILTER_BILINEAR, NULL, err);
  in.input = malloc((size_t)p->width * (size_t)p->height * 3 * sizeof *in.input);
  if (st == WK_OK && in.input) {
    wk_preprocess_normalise(in.input, in.seen.pixels, p);
    st = wk_explain_input_predict(scores, &in, m, NULL, err);
  }
  *rank = 1;
  for (int i = 0; st == WK_OK && i < m->label_count; i++)
    *rank += scores[i] > scores[target];
  free(in.input);
  wk_image_free(&in.seen);
  return st;
}

static wk_status shrink_and_back(wk_image *out, const wk_image *picture, wk_error *err) {
  wk_image small;
  wk_status st = wk_image_resize(&small, picture, SMALL, SMALL, WK_FILTER_BILINEAR, NULL, err);
  if (st != WK_OK)
    return st;
  st = wk_image_resize(out, &small, picture->width, picture->height, WK_FILTER_BILINEAR, NULL, err);
  wk_image_free(&small);
  return st;
}

static double brightness(const wk_image *picture) {
  const size_t n = (size_t)picture->width * (size_t)picture->height * 3;
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += picture->pixels[i];
  return sum / (255 * (double)n);
}

typedef struct run {
  wk_model *drawer, *judge[MOST_JUDGES];
  char *name[MOST_JUDGES];
  int judges, full[MOST_JUDGES], small[MOST_JUDGES], pictures, dark_or_bright;
  const char *out;
} run;

static wk_status one_class(run *r, wk_diff_classifier *c, const wk_visualize_options *o, float *scores, wk_error *err) {
  wk_visualization *v = NULL;
  wk_image small = {0};
  wk_status st = wk_visualize_class(&v, c, &r->drawer->backbone->preprocess, o, NULL, err);
  if (st == WK_OK)
    st = shrink_and_back(&small, &v->image, err);
  if (st == WK_OK && r->out) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%d.png", r->out, o->target);
    st = wk_image_save_png(&v->image, path, err);
  }
  if (st == WK_OK) {
    const double mean = brightness(&v->image);
    r->pictures++;
    r->dark_or_bright += mean < 0.2 || mean > 0.8;
    printf("%4d %-24.24s own p %.3f, brightness %2.0f%%;", o->target, r->drawer->labels[o->target], v->p, 100 * mean);
  }
  for (int k = 0; st == WK_OK && k < r->judges; k++) {
    int full, at_48;
    st = ask(&full, scores, r->judge[k], &v->image, o->target, err);
    if (st == WK_OK)
      st = ask(&at_48, scores, r->judge[k], &small, o->target, err);
    if (st != WK_OK)
      break;
    r->full[k] += full == 1;
    r->small[k] += at_48 == 1;
    printf(" %s rank %d, at %d pixels %d;", r->name[k], full, SMALL, at_48);
  }
  printf("\n");
  fflush(stdout);
  wk_image_free(&small);
  wk_visualization_free(v);
  return st;
}

static wk_status measure(run *r, char *classes, wk_visualize_options *o, wk_error *err) {
  wk_diff_classifier_options co;
  wk_diff_classifier_options_init(&co);
  wk_diff_classifier *c = NULL;
  float *scores = calloc(1 << 16, sizeof *scores);
  wk_status st = wk_diff_classifier_create(&c, r->drawer, &co, err);
  const double start = now();
  for (char *class; st == WK_OK && scores && (class = strsep(&classes, ","));) {
    o->target = atoi(class);
    st = one_class(r, c, o, scores, err);
  }
  if (st == WK_OK && r->pictures) {
    for (int k = 0; k < r->judges; k++)
      printf("%s names %d of %d, at %d pixels %d\n", r->name[k], r->full[k], r->pictures, SMALL, r->small[k]);
    printf("darker than 20%% or brighter than 80%%: %d; %.1f s a picture\n", r->dark_or_bright,
           (now() - start) / r->pictures);
  }
  free(scores);
  wk_diff_classifier_free(c);
  return st;
}

int main(int argc, char **argv) {
  run r = {0};
  wk_error err = {0};
  wk_status st = WK_OK;
  char *classes = strdup(animals);
  wk_visualize_options o;
  wk_visualize_options_init(&o);
  o.snapshots = 0;
  for (int i = 1; i < argc && st == WK_OK; i++) {
    const bool value = i + 1 < argc;
    if (value && !strcmp(argv[i], "--classes")) {
      free(classes);
      classes = strdup(argv[++i]);
    } else if (value && !strcmp(argv[i], "--steps")) {
      o.steps = atoi(argv[++i]);
    } else if (value && !strcmp(argv[i], "--out")) {
      r.out = argv[++i];
    } else if (!r.drawer) {
      st = open_network(&r.drawer, argv[i], &err);
    } else if (r.judges < MOST_JUDGES) {
      st = open_network(&r.judge[r.judges], argv[i], &err);
      r.name[r.judges++] = argv[i];
    }
  }
  if (!r.drawer && st == WK_OK) {
    fprintf(stderr, "usage: bench_ideal DRAWER JUDGE... [--classes 281,340] [--steps N] [--out FOLDER]\n");
    return 2;
  }
  if (st == WK_OK && classes)
    st = measure(&r, classes, &o, &err);
  if (st != WK_OK)
    fprintf(stderr, "bench_ideal: %s\n", err.message);
  for (int k = 0; k < r.judges; k++)
    wk_model_free(r.judge[k]);
  wk_model_free(r.drawer);
  free(classes);
  return st != WK_OK;
}
