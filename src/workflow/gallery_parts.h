/* gallery_parts.h - the sections of wk_gallery_make, and what they share. */
#ifndef WK_WORKFLOW_GALLERY_PARTS_H
#define WK_WORKFLOW_GALLERY_PARTS_H

#include "whisker/draw.h"
#include "whisker/gallery.h"
#include "whisker/insight.h"
#include "workflow/workflow.h"

typedef struct wk_gallery_making {
  wk_call *call;
  const wk_model *model;
  const char *folder;
  wk_feature_set all; /* every photo: for the map and what is alike */
  wk_photo_list test; /* those that are judged by */
  size_t left_out;    /* that the model learned from: it is not judged by them */
  float *p;           /* [judged->rows, labels] */
  wk_features *judged;
  int *truth;                     /* [judged->rows] */
  int *seen;                      /* [judged->rows] what the model says */
  wk_metrics *metrics;            /* NULL: the photos are not sorted into the model's classes */
  wk_diff_classifier *classifier; /* NULL: the head has no gradients */
  int *shown;                     /* classes that get pictures of their own */
  int shown_count;
  wk_gallery *page;
  /* what was asked for */
  int photos, classes, map_steps, ideal_steps, attacked;
  double eps;
} wk_gallery_making;

/* Each begins its section and fills it. */
wk_status wk_section_right(wk_gallery_making *g,
                           wk_error *err); /* how often it is right, and where not (gallery_right.c) */
wk_status wk_section_mistakes(wk_gallery_making *g, wk_error *err);
wk_status wk_section_map(wk_gallery_making *g, wk_error *err); /* (gallery_see.c) */
wk_status wk_section_nearest(wk_gallery_making *g, wk_error *err);
wk_status wk_section_features(wk_gallery_making *g, wk_error *err);
wk_status wk_section_filters(wk_gallery_making *g, wk_error *err);
wk_status wk_section_cam(wk_gallery_making *g, wk_error *err);   /* (gallery_why.c) */
wk_status wk_section_ideal(wk_gallery_making *g, wk_error *err); /* (gallery_fool.c) */
wk_status wk_section_attack(wk_gallery_making *g, wk_error *err);
wk_status wk_section_robust(wk_gallery_making *g, wk_error *err);

/* A judged photo of class `class` that the model is right (wrong) about and surest of; -1: none. */
ptrdiff_t wk_section_example(const wk_gallery_making *g, int class, bool right);
const char *wk_section_path(const wk_gallery_making *g, size_t judged); /* of a judged photo */
double wk_section_p(const wk_gallery_making *g, size_t judged, int class);

#endif
