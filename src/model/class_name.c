/* class_name.c - the class of a model that somebody means by a name; where there is none, the classes that share a
 * word with it, or those that are spelt most like it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/model.h"

enum { SUGGESTED = 5 };

typedef struct suggestions {
  int class[SUGGESTED], count;
} suggestions;

static bool is_imagenet(const wk_model *m) { return !m->head && m->label_count == WK_IMAGENET_CLASSES; }

static bool is_letter(char c) { return isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

/* Does `text` hold `word`, in any case, with no letter on either side? */
static bool has_word(const char *text, const char *word) {
  const size_t n = strlen(word);
  for (const char *p = text; n && strlen(p) >= n; p++)
    if (!strncasecmp(p, word, n) && (p == text || !is_letter(p[-1])) && !is_letter(p[n]))
      return true;
  return false;
}

/* Classes that have the word in their label, then those that have it in another of their names. */
static void sharing_a_word(suggestions *s, const wk_model *m, const char *word) {
  for (int pass = 0; pass < (is_imagenet(m) ? 2 : 1); pass++)
    for (int i = 0; i < m->label_count && s->count < SUGGESTED; i++) {
      const bool in_label = has_word(m->labels[i], word);
      if (pass == 0 ? in_label : !in_label && has_word(wk_imagenet_names(i), word))
        s->class[s->count++] = i;
    }
}

/* The two that are spelt most like it. */
static void spelt_alike(suggestions *s, const wk_model *m, const char *name) {
  int distance[2] = {0};
  for (int i = 0; i < m->label_count; i++) {
    const int d = wk_edit_distance(name, m->labels[i]);
    int at = s->count;
    while (at && d < distance[at - 1])
      at--;
    if (at > 1)
      continue;
    if (at == 0) {
      s->class[1] = s->class[0];
      distance[1] = distance[0];
    }
    s->class[at] = i;
    distance[at] = d;
    s->count += s->count < 2;
  }
}

static wk_status no_such_class(const wk_model *m, const char *name, wk_error *err) {
  if (m->label_count == 1)
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: the model has no such class; its only class is %s", name, m->labels[0]);
  suggestions s = {0};
  sharing_a_word(&s, m, name);
  const bool words = s.count > 0;
  if (!words)
    spelt_alike(&s, m, name);
  char list[SUGGESTED * 64] = "";
  size_t at = 0;
  for (int i = 0; i < s.count && at < sizeof list; i++)
    at += (size_t)snprintf(list + at, sizeof list - at, "%s%.60s", i ? ", " : "", m->labels[s.class[i]]);
  const int kind = is_imagenet(m) ? wk_imagenet_kind(NULL, name) : 0;
  char any[160] = "";
  if (kind)
    snprintf(any, sizeof any, "; \"any %.60s\" means one of %d", name, kind);
  return WK_FAIL(err, WK_ERR_NOT_FOUND,
                 "%s: the model has no such class. %s: %s (of %d; an index from 0 to %d works too%s)", name,
                 words ? "With that word" : "Nearest", list, m->label_count, m->label_count - 1, any);
}

wk_status wk_model_class(int *out, const wk_model *m, const char *name, wk_error *err) {
  if (m->label_count < 1)
    return wk_model_no_classes(m, err);
  for (int i = 0; i < m->label_count; i++)
    if (!strcasecmp(m->labels[i], name)) {
      *out = i;
      return WK_OK;
    }
  char *end;
  const long index = strtol(name, &end, 10);
  if (isdigit((unsigned char)*name) && !*end && index < m->label_count) {
    *out = (int)index;
    return WK_OK;
  }
  const int imagenet = is_imagenet(m) ? wk_imagenet_find(name) : -1;
  if (imagenet < 0)
    return no_such_class(m, name, err);
  *out = imagenet;
  return WK_OK;
}

wk_status wk_model_kind(int *out, int *count, const wk_model *m, const char *name, wk_error *err) {
  static const char any[] = "any ";
  int class;
  wk_error ignored;
  *count = 0;
  if (strncasecmp(name, any, sizeof any - 1) != 0 || wk_model_class(&class, m, name, &ignored) == WK_OK)
    return WK_OK;
  if (!is_imagenet(m))
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: kinds of things are known for ImageNet's 1,000 classes alone", name);
  *count = wk_imagenet_kind(out, name + sizeof any - 1);
  return *count ? WK_OK
                : WK_FAIL(err, WK_ERR_NOT_FOUND,
                          "%s: WordNet has no such kind of things among ImageNet's classes (it has dog, "
                          "cat, bird, fish, vehicle, fruit ...)",
                          name);
}
