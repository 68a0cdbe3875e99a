/* names.c - a set of strings, numbered in the order they came. Names are bytes: nothing is assumed of their encoding.
 */
#include <string.h>

#include "data/data.h"

static uint32_t hash_name(const char *name, size_t len) {
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t i = 0; i < len; i++)
    h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
  return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds the name, or the free one where it belongs. */
static size_t slot_of(const wk_names *names, const char *name, size_t len) {
  size_t mask = names->slots - 1, at = hash_name(name, len) & mask;
  for (; names->slot[at]; at = (at + 1) & mask) {
    const char *have = names->name[names->slot[at] - 1];
    if (strlen(have) == len && memcmp(have, name, len) == 0)
      break;
  }
  return at;
}

int64_t wk_names_find(const wk_names *names, const char *name, size_t len) {
  if (!names->slots)
    return -1;
  return (int64_t)names->slot[slot_of(names, name, len)] - 1;
}

static bool make_room(wk_names *names) {
  if (names->count == names->cap) {
    size_t cap = names->cap ? names->cap * 2 : 16;
    char **grown = wk_grow(names->name, names->count * sizeof *grown, cap * sizeof *grown);
    if (!grown)
      return false;
    names->name = grown;
    names->cap = cap;
  }
  if (2 * (names->count + 1) <= names->slots)
    return true;
  size_t slots = names->slots ? names->slots * 2 : 64;
  uint32_t *fresh = wk_calloc(slots, sizeof *fresh);
  if (!fresh)
    return false;
  wk_free(names->slot);
  names->slot = fresh;
  names->slots = slots;
  for (size_t i = 0; i < names->count; i++)
    fresh[slot_of(names, names->name[i], strlen(names->name[i]))] = (uint32_t)i + 1;
  return true;
}

wk_status wk_names_add(uint32_t *number, wk_names *names, const char *name, size_t len, wk_error *err) {
  len = strnlen(name, len);
  int64_t have = wk_names_find(names, name, len);
  if (have >= 0) {
    *number = (uint32_t)have;
    return WK_OK;
  }
  if (!make_room(names))
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu names", names->count + 1);
  char *copy = wk_strndup(name, len);
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu names", names->count + 1);
  *number = (uint32_t)names->count;
  names->slot[slot_of(names, name, len)] = *number + 1;
  names->name[names->count++] = copy;
  return WK_OK;
}

void wk_names_free(wk_names *names) {
  for (size_t i = 0; i < names->count; i++)
    wk_free(names->name[i]);
  wk_free(names->name);
  wk_free(names->slot);
  *names = (wk_names){0};
}
