/* imagenet_labels.h (internal) - the table of ImageNet's classes. */
#ifndef WK_ZOO_IMAGENET_LABELS_H
#define WK_ZOO_IMAGENET_LABELS_H

#include "whisker/zoo.h"

typedef struct wk_imagenet_class {
  char wnid[10];
  const char *label; /* the first name */
  const char *names; /* all names, separated by ", " */
} wk_imagenet_class;
extern const wk_imagenet_class wk_imagenet_table[WK_IMAGENET_CLASSES];

/* A kind of thing that several classes are of. */
typedef struct wk_imagenet_group {
  const char *names;  /* separated by '|' */
  const char *ranges; /* of classes: "7-24 80" */
} wk_imagenet_group;
extern const wk_imagenet_group wk_imagenet_groups[];
extern const int wk_imagenet_group_count;

#endif
