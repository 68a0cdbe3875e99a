/* gallery_parts.h - the sections of `whisker look gallery`, and what they share. */
#ifndef WK_CLI_GALLERY_PARTS_H
#define WK_CLI_GALLERY_PARTS_H

#include "look.h"

typedef struct gallery {
  cli_looking l;
  const char *folder;
  wk_feature_set all; /* every photo: for the map and what is alike */
  wk_photo_list test; /* those that are judged by */
  float *p;           /* [judged->rows, labels] */
  wk_features *judged;
  int *truth;                     /* [judged->rows] */
  int *seen;                      /* [judged->rows] what the model says */
  wk_metrics *metrics;            /* NULL: the photos are not sorted into the model's classes */
  wk_diff_classifier *classifier; /* NULL: the head has no gradients */
  int *shown;                     /* classes that get pictures of their own */
  int shown_count;
  wk_gallery *page;
  json_t *sections; /* names of those that are done */
  /* what was asked for */
  int photos, classes, map_steps, ideal_steps, attacked;
  double eps;
} gallery;

/* Each begins its section and fills it. */
wk_status gallery_right(gallery *g, wk_error *err); /* how often it is right, and where not (gallery_right.c) */
wk_status gallery_mistakes(gallery *g, wk_error *err);
wk_status gallery_map(gallery *g, wk_error *err); /* (gallery_see.c) */
wk_status gallery_nearest(gallery *g, wk_error *err);
wk_status gallery_features(gallery *g, wk_error *err);
wk_status gallery_filters(gallery *g, wk_error *err);
wk_status gallery_cam(gallery *g, wk_error *err);   /* (gallery_why.c) */
wk_status gallery_ideal(gallery *g, wk_error *err); /* (gallery_fool.c) */
wk_status gallery_attack(gallery *g, wk_error *err);
wk_status gallery_robust(gallery *g, wk_error *err);

/* A judged photo of class `class` that the model is right (wrong) about and surest of; -1: none. */
ptrdiff_t gallery_example(const gallery *g, int class, bool right);
const char *gallery_path(const gallery *g, size_t judged); /* of a judged photo */
double gallery_p(const gallery *g, size_t judged, int class);

#endif
