/* photo_groups.c - photos that stay on one side of a split because of what they are called: those of one person, one
 * day, one folder. */
#include <regex.h>
#include <string.h>

#include "data/data.h"
#include "workflow/workflow.h"

static uint32_t first_of(uint32_t *group, uint32_t i) {
  while (group[i] != i)
    i = group[i] = group[group[i]];
  return i;
}

static void join(uint32_t *group, uint32_t a, uint32_t b) {
  a = first_of(group, a);
  b = first_of(group, b);
  group[a < b ? b : a] = a < b ? a : b;
}

/* The part of a name that is shared; length 0: it belongs to no group. */
static size_t key_of(const char **key, const char *name, const regex_t *pattern) {
  regmatch_t match[2];
  if (!pattern) {
    *key = name;
    return (size_t)(wk_path_base(name) - name);
  }
  if (regexec(pattern, name, 2, match, 0) != 0)
    return 0;
  const regmatch_t *m = match[1].rm_so >= 0 ? &match[1] : &match[0];
  *key = name + m->rm_so;
  return (size_t)(m->rm_eo - m->rm_so);
}

wk_status wk_group_photos(uint32_t *group, const char *const *name, size_t count, const char *how, wk_error *err) {
  wk_status st = WK_OK;
  wk_names keys = {0};
  regex_t pattern;
  char why[256];
  size_t grouped = 0;
  const bool folder = !strcmp(how, "folder");
  uint32_t *first = wk_alloc_array(count + 1, sizeof *first), number = 0;
  if (!first)
    return wk_no_memory(err);
  const int wrong = folder ? 0 : regcomp(&pattern, how, REG_EXTENDED);
  if (wrong) {
    regerror(wrong, &pattern, why, sizeof why);
    wk_free(first);
    return WK_FAIL(err, WK_ERR_ARGUMENT, "--group-by %s: is no regular expression (%s), nor \"folder\"", how, why);
  }
  for (uint32_t i = 0; i < count; i++) {
    const char *key = NULL;
    const size_t n = key_of(&key, name[i], folder ? NULL : &pattern);
    const size_t before = keys.count;
    if (!n)
      continue;
    grouped++;
    WK_TRY(wk_names_add(&number, &keys, key, n, err));
    if (keys.count > before)
      first[number] = i;
    else
      join(group, first[number], i);
  }
  WK_FAIL_IF(!grouped, err, WK_ERR_ARGUMENT, "--group-by %s: no photo has that in its name (the first is called %s)",
             how, count ? name[0] : "");
  for (uint32_t i = 0; i < count; i++)
    group[i] = first_of(group, i);
done:
  if (!folder)
    regfree(&pattern);
  wk_names_free(&keys);
  wk_free(first);
  return st;
}
