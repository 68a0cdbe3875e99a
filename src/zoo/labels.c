/* labels.c - finding one of ImageNet's classes by index, WordNet id or any of its names. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "zoo/imagenet_labels.h"
#include "zoo/zoo.h"

static const wk_imagenet_class *at(int index) {
  return index >= 0 && index < WK_IMAGENET_CLASSES ? &wk_imagenet_table[index] : NULL;
}

const char *wk_imagenet_label(int index) { return at(index) ? at(index)->label : NULL; }
const char *wk_imagenet_names(int index) { return at(index) ? at(index)->names : NULL; }
const char *wk_imagenet_wnid(int index) { return at(index) ? at(index)->wnid : NULL; }

/* Is `name` one of the names in "a, b, c"? */
static bool among(const char *names, const char *name) {
  size_t n = strlen(name);
  for (const char *s = names; s; s = strstr(s, ", ")) {
    s += s == names ? 0 : 2;
    if (strncasecmp(s, name, n) == 0 && (s[n] == 0 || s[n] == ','))
      return true;
  }
  return false;
}

/* Digits alone, in range. */
static int parse_index(const char *s) {
  if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > 6)
    return -1;
  int index = atoi(s);
  return index < WK_IMAGENET_CLASSES ? index : -1;
}

int wk_imagenet_find(const char *name) {
  if (!name || !*name)
    return -1;
  int index = parse_index(name);
  if (index >= 0)
    return index;
  /* A class's own label goes before another class's synonym. Where two share a label (crane, maillot) the first is
   * meant; the WordNet id tells them apart. */
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    if (strcasecmp(wk_imagenet_table[i].wnid, name) == 0 || strcasecmp(wk_imagenet_table[i].label, name) == 0)
      return i;
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    if (among(wk_imagenet_table[i].names, name) || strcasecmp(wk_imagenet_table[i].names, name) == 0)
      return i;
  return -1;
}
