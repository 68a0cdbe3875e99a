/* pickle_scan.c - finds pixels, labels and names of classes in the pickles that CIFAR is published as. A pickle is a
 * program, and this runs none of it: it goes from instruction to instruction, remembers which key was named last, and
 * takes the numbers and texts that follow. */
#include <string.h>

#include "data/packed.h"

#define PIXELS 3072

/* Bytes that follow an instruction: 0 to 8 as they are; L1, L4, L8: a length of so many bytes and then the bytes; LINE:
 * up to a line's end (LINE2: two of them); BAD: not a pickle. */
enum { LINE = 100, LINE2, L1, L4, L8, BAD };

static int argument(uint8_t op) {
  switch (op) {
  case 0x80: /* PROTO */
  case 'K':  /* BININT1 */
  case 'q':  /* BINPUT */
  case 'h':  /* BINGET */
    return 1;
  case 'M': /* BININT2 */
    return 2;
  case 'J': /* BININT */
  case 'r': /* LONG_BINPUT */
  case 'j': /* LONG_BINGET */
    return 4;
  case 'G':  /* BINFLOAT */
  case 0x95: /* FRAME */
    return 8;
  case 'U':  /* SHORT_BINSTRING */
  case 'C':  /* SHORT_BINBYTES */
  case 0x8c: /* SHORT_BINUNICODE */
  case 0x8a: /* LONG1 */
    return L1;
  case 'T': /* BINSTRING */
  case 'B': /* BINBYTES */
  case 'X': /* BINUNICODE */
    return L4;
  case 0x8d: /* BINUNICODE8 */
  case 0x8e: /* BINBYTES8 */
  case 0x96: /* BYTEARRAY8 */
    return L8;
  case 'c': /* GLOBAL */
    return LINE2;
  case 'I': /* INT */
  case 'L': /* LONG */
  case 'S': /* STRING */
  case 'V': /* UNICODE */
  case 'p': /* PUT */
  case 'g': /* GET */
    return LINE;
  default:
    return strchr("()tl]}d.0NRbsuea\x85\x86\x87\x88\x89\x93\x94\x8f\x90\x91\x81", op) && op ? 0 : BAD;
  }
}

typedef struct scan {
  const uint8_t *at, *end;
  uint8_t op;
  const uint8_t *text; /* of instructions with a length */
  size_t len;
  long number;
  bool is_text, is_number;
} scan;

static bool line(scan *s) {
  const uint8_t *end = memchr(s->at, '\n', (size_t)(s->end - s->at));
  if (!end)
    return false;
  s->at = end + 1;
  return true;
}

static bool next(scan *s) {
  s->is_text = s->is_number = false;
  if (s->at >= s->end)
    return false;
  s->op = *s->at++;
  int a = argument(s->op);
  if (a == BAD)
    return false;
  if (a == LINE || a == LINE2)
    return line(s) && (a == LINE || line(s));
  size_t bytes = a == L1 ? 1 : a == L4 ? 4 : a == L8 ? 8 : (size_t)a;
  if ((size_t)(s->end - s->at) < bytes)
    return false;
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++)
    value |= (uint64_t)s->at[i] << 8 * i;
  s->at += bytes;
  s->number = (long)value;
  s->is_number = s->op == 'K' || s->op == 'M' || s->op == 'J';
  if (a >= L1) {
    if (value > (uint64_t)(s->end - s->at))
      return false;
    s->text = s->at;
    s->len = (size_t)value;
    s->at += value;
    s->is_text = s->op != 0x8a;
  }
  return true;
}

static bool is(const scan *s, const char *word) { return s->len == strlen(word) && memcmp(s->text, word, s->len) == 0; }

enum key { OTHER, LABELS, NAMES };

/* Of the two kinds of labels of CIFAR-100 the fine ones are meant: they win over what was there. */
static enum key key_of(const scan *s, wk_pickled *p) {
  bool fine_labels = is(s, "fine_labels"), fine_names = is(s, "fine_label_names");
  if (fine_labels || (is(s, "labels") && !p->labels)) {
    p->labels = 0;
    return LABELS;
  }
  if (fine_names || (is(s, "label_names") && !p->class_name.count)) {
    wk_names_free(&p->class_name);
    return NAMES;
  }
  return OTHER;
}

static bool is_key(const scan *s) {
  static const char *const known[] = {
      "batch_label",        "labels",      "data",    "filenames",           "fine_labels",
      "coarse_labels",      "label_names", "num_vis", "num_cases_per_batch", "fine_label_names",
      "coarse_label_names", NULL};
  for (const char *const *k = known; *k; k++)
    if (is(s, *k))
      return true;
  return false;
}

static wk_status take(wk_pickled *p, const scan *s, enum key key, const uint8_t *begin, size_t *cap, wk_error *err) {
  if (s->is_text && s->len >= PIXELS && s->len % PIXELS == 0 && !p->data) {
    p->data = (uint64_t)(s->text - begin);
    p->data_bytes = s->len;
  } else if (s->is_text && key == NAMES && s->len) {
    uint32_t number;
    return wk_names_add(&number, &p->class_name, (const char *)s->text, s->len, err);
  } else if (s->is_number && key == LABELS && s->number >= 0 && s->number < 256) {
    if (p->labels == *cap) {
      size_t more = *cap ? *cap * 2 : 1024;
      uint8_t *grown = wk_grow(p->label, p->labels, more);
      if (!grown)
        return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu labels", more);
      p->label = grown;
      *cap = more;
    }
    p->label[p->labels++] = (uint8_t)s->number;
  }
  return WK_OK;
}

wk_status wk_pickle_scan(wk_pickled *out, const uint8_t *bytes, size_t size, const char *show, wk_error *err) {
  scan s = {.at = bytes, .end = bytes + size};
  enum key key = OTHER;
  size_t cap = 0;
  *out = (wk_pickled){0};
  while (next(&s)) {
    if (s.op == '.')
      return WK_OK;
    if (s.is_text && is_key(&s)) {
      key = key_of(&s, out);
      continue;
    }
    wk_status st = take(out, &s, key, bytes, &cap, err);
    if (st != WK_OK) {
      wk_pickled_free(out);
      return st;
    }
  }
  wk_pickled_free(out);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "%s: not a batch of CIFAR as it is published: the pickle cannot be followed. Get it again", show);
}

void wk_pickled_free(wk_pickled *p) {
  wk_free(p->label);
  wk_names_free(&p->class_name);
  *p = (wk_pickled){0};
}
