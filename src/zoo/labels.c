/* labels.c - finding one of ImageNet's classes by index, WordNet id or any of its names, and all that are of a kind. */
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

/* ---- kinds ------------------------------------------------------------------------------------- */

/* Is `name` one of "a|b|c", in any case? */
static bool is_called(const char *names, const char *name) {
  const size_t n = strlen(name);
  for (const char *s = names; *s; s += *s == '|') {
    const size_t len = strcspn(s, "|");
    if (len == n && strncasecmp(s, name, n) == 0)
      return true;
    s += len;
  }
  return false;
}

/* Classes of "7-24 80" into `out` (NULL: only counted). */
static int classes_of(int *out, const char *ranges) {
  int count = 0;
  while (*ranges) {
    char *end;
    const long first = strtol(ranges, &end, 10), last = *end == '-' ? strtol(end + 1, &end, 10) : first;
    for (long k = first; k <= last; k++) {
      if (out)
        out[count] = (int)k;
      count++;
    }
    ranges = end + (*end == ' ');
  }
  return count;
}

int wk_imagenet_kind(int *out, const char *name) {
  const char *ranges = NULL;
  for (int i = 0, most = 0; i < wk_imagenet_group_count; i++) {
    const int n = is_called(wk_imagenet_groups[i].names, name) ? classes_of(NULL, wk_imagenet_groups[i].ranges) : 0;
    if (n > most) { /* of two meanings the one that more is of */
      most = n;
      ranges = wk_imagenet_groups[i].ranges;
    }
  }
  return ranges ? classes_of(out, ranges) : 0;
}
