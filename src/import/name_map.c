/* name_map.c - a table of names, for files with a hundred thousand of them. */
#include <string.h>

#include "import/reader.h"

static size_t hash(const char *name) {
  uint64_t h = 1469598103934665603u; /* FNV-1a */
  for (; *name; name++)
    h = (h ^ (uint8_t)*name) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

void wk_name_map_free(wk_name_map *n) {
  wk_free(n->entry);
  *n = (wk_name_map){0};
}

/* Where `name` is, or would be. */
static struct wk_name_map_entry *slot(const wk_name_map *n, const char *name) {
  size_t i = hash(name) & (n->room - 1);
  while (n->entry[i].name && strcmp(n->entry[i].name, name) != 0)
    i = (i + 1) & (n->room - 1);
  return &n->entry[i];
}

int wk_name_map_find(const wk_name_map *n, const char *name) {
  const struct wk_name_map_entry *e = n->room ? slot(n, name) : NULL;
  return e && e->name ? e->number : -1;
}

wk_status wk_name_map_add(wk_name_map *n, const char *name, int number, wk_error *err) {
  if (2 * (n->count + 1) > n->room) {
    wk_name_map grown = {.room = n->room ? 2 * n->room : 64, .count = n->count};
    grown.entry = wk_calloc(grown.room, sizeof *grown.entry);
    if (!grown.entry)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for reading a network");
    for (size_t i = 0; i < n->room; i++)
      if (n->entry[i].name)
        *slot(&grown, n->entry[i].name) = n->entry[i];
    wk_free(n->entry);
    *n = grown;
  }
  struct wk_name_map_entry *e = slot(n, name);
  n->count += !e->name;
  *e = (struct wk_name_map_entry){name, number};
  return WK_OK;
}
