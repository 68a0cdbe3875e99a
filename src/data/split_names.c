/* split_names.c - what folders and lists are called that hold a part of the photos. Names are taken apart into words,
 * so that "training_set", "TrainImages" and "test1" are known without a list of all spellings. */
#include <ctype.h>
#include <string.h>

#include "data/data.h"

typedef struct words {
  const char *at, *end;
  char word[32]; /* in lower case; "" for what is longer */
} words;

/* The next run of letters; digits and marks end words, and so does a capital after a small letter. */
static bool next_word(words *w) {
  while (w->at < w->end && !isalpha((unsigned char)*w->at) && !((unsigned char)*w->at & 0x80))
    w->at++;
  const char *begin = w->at;
  while (w->at < w->end && (isalpha((unsigned char)*w->at) || ((unsigned char)*w->at & 0x80)) &&
         !(w->at > begin && isupper((unsigned char)*w->at) && islower((unsigned char)w->at[-1])))
    w->at++;
  size_t len = (size_t)(w->at - begin);
  if (len == 0)
    return false;
  len = len < sizeof w->word ? len : 0;
  for (size_t i = 0; i < len; i++)
    w->word[i] = (char)tolower((unsigned char)begin[i]);
  w->word[len] = 0;
  return true;
}

static bool among(const char *word, const char *const *list) {
  for (; *list; list++)
    if (strcmp(word, *list) == 0)
      return true;
  return false;
}

static wk_split split_word(const char *word) {
  static const char *const train[] = {"train", "training", "trainset", "trainval", NULL};
  static const char *const val[] = {"val",   "valid",       "validation", "validate", "dev",
                                    "devel", "development", "valset",     NULL};
  static const char *const test[] = {"test",       "testing", "testset",   "tst",        "eval", "evaluation",
                                     "prediction", "pred",    "unlabeled", "unlabelled", NULL};
  return among(word, train)  ? WK_SPLIT_TRAIN
         : among(word, val)  ? WK_SPLIT_VAL
         : among(word, test) ? WK_SPLIT_TEST
                             : WK_SPLIT_ALL;
}

static bool says_nothing(const char *word) {
  static const char *const filler[] = {
      "set",  "sets",    "data",     "dataset", "image",   "images", "img",      "imgs",  "photo", "photos", "pic",
      "pics", "picture", "pictures", "folder",  "dir",     "split",  "splits",   "files", "jpg",   "jpeg",   "png",
      "raw",  "the",     "my",       "new",     "samples", "final",  "original", "copy",  NULL};
  return among(word, filler);
}

wk_split wk_split_find_among(char *rest, size_t rest_size, const char *name, size_t len) {
  words w = {.at = name, .end = name + len};
  wk_split split = WK_SPLIT_ALL;
  size_t at = 0;
  rest[0] = 0;
  while (next_word(&w)) {
    wk_split this = split_word(w.word);
    if (this != WK_SPLIT_ALL && (split == WK_SPLIT_ALL || split == this)) {
      split = this;
    } else if (this != WK_SPLIT_ALL) {
      return WK_SPLIT_ALL; /* "train_test_split" */
    } else if (!says_nothing(w.word)) {
      int n = snprintf(rest + at, rest_size - at, "%s%s", at ? " " : "", *w.word ? w.word : "?");
      at = n > 0 && (size_t)n < rest_size - at ? at + (size_t)n : at;
    }
  }
  return split;
}

wk_split wk_split_find(const char *name, size_t len) {
  char rest[64];
  wk_split split = wk_split_find_among(rest, sizeof rest, name, len);
  return *rest ? WK_SPLIT_ALL : split;
}

bool wk_name_says_nothing(const char *name, size_t len) {
  words w = {.at = name, .end = name + len};
  bool any = false;
  for (; next_word(&w); any = true)
    if (!says_nothing(w.word))
      return false;
  return any;
}

const char *wk_split_purpose(wk_split split) {
  static const char *const purpose[] = {"without a split", "to learn from", "to check on", "to test on"};
  return purpose[split];
}
