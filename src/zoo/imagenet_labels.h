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

#endif
