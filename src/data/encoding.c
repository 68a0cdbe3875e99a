/* encoding.c - bytes that should be text. Names of files are bytes, and older programs wrote them in the alphabet of
 * their country; a model's classes are UTF-8. One name does not tell which alphabet it was, but all names of an archive
 * or a folder together mostly do: letters between letters point to a Western one, pairs of bytes in the ranges of
 * common characters to Chinese or Japanese. */
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "data/data.h"
#include "whisker/utf8.h"

/* Bytes 0x80 to 0xff; 0: not used. */
static const uint16_t cp437[128] = {
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee,
    0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6,
    0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa,
    0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514,
    0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550,
    0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c,
    0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4,
    0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320,
    0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0};
static const uint16_t cp1252[128] = {
    0x20ac, 0x0000, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,
    0x0000, 0x017d, 0x0000, 0x0000, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122,
    0x0161, 0x203a, 0x0153, 0x0000, 0x017e, 0x0178, 0x00a0, 0x00a1, 0x00a2, 0x00a3, 0x00a4, 0x00a5, 0x00a6,
    0x00a7, 0x00a8, 0x00a9, 0x00aa, 0x00ab, 0x00ac, 0x00ad, 0x00ae, 0x00af, 0x00b0, 0x00b1, 0x00b2, 0x00b3,
    0x00b4, 0x00b5, 0x00b6, 0x00b7, 0x00b8, 0x00b9, 0x00ba, 0x00bb, 0x00bc, 0x00bd, 0x00be, 0x00bf, 0x00c0,
    0x00c1, 0x00c2, 0x00c3, 0x00c4, 0x00c5, 0x00c6, 0x00c7, 0x00c8, 0x00c9, 0x00ca, 0x00cb, 0x00cc, 0x00cd,
    0x00ce, 0x00cf, 0x00d0, 0x00d1, 0x00d2, 0x00d3, 0x00d4, 0x00d5, 0x00d6, 0x00d7, 0x00d8, 0x00d9, 0x00da,
    0x00db, 0x00dc, 0x00dd, 0x00de, 0x00df, 0x00e0, 0x00e1, 0x00e2, 0x00e3, 0x00e4, 0x00e5, 0x00e6, 0x00e7,
    0x00e8, 0x00e9, 0x00ea, 0x00eb, 0x00ec, 0x00ed, 0x00ee, 0x00ef, 0x00f0, 0x00f1, 0x00f2, 0x00f3, 0x00f4,
    0x00f5, 0x00f6, 0x00f7, 0x00f8, 0x00f9, 0x00fa, 0x00fb, 0x00fc, 0x00fd, 0x00fe, 0x00ff};

bool wk_is_utf8(const char *s, size_t n) {
  for (size_t i = 0; i < n;) {
    /* What is cut off at the end need not be followed by a zero. */
    char letter[5] = {0};
    memcpy(letter, s + i, n - i < 4 ? n - i : 4);
    size_t length = wk_utf8_length(letter);
    if (!length)
      return false;
    i += length;
  }
  return true;
}

/* ---- which one -------------------------------------------------------------------------------- */

static bool latin_letter(uint16_t c) {
  return (c >= 0xc0 && c <= 0x17f && c != 0xd7 && c != 0xf7) || c == 0xaa || c == 0xba;
}

/* Letters of Western languages between others that are plain: 1 each; anything else counts against it. */
static double score_western(const uint16_t *table, const uint8_t *s) {
  double score = 0;
  for (; *s; s++)
    if (*s >= 0x80)
      score += latin_letter(table[*s - 0x80]) ? 1 : table[*s - 0x80] ? -1 : -4;
  return score;
}

static bool plain_letter(uint8_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

typedef struct pairs {
  double (*common)(uint8_t, uint8_t); /* how much a pair speaks for it */
  bool (*pair)(uint8_t, uint8_t);
  bool (*single)(uint8_t);
} pairs;

/* Pairs of bytes: common characters count a little more than the two letters that they would be elsewhere; rare ones,
 * pairs between plain letters (no one writes so, but a Western word with an accent looks so) and bytes without a
 * partner speak against it. */
static double score_pairs(const uint8_t *s, const pairs *p) {
  double score = 0;
  uint8_t before = 0;
  for (; *s; before = *s++) {
    if (*s < 0x80)
      continue;
    if (!s[1] || !p->pair(*s, s[1])) {
      score += p->single(*s) ? 0.5 : -4;
      continue;
    }
    double common = p->common(*s, s[1]);
    if (plain_letter(before) || plain_letter(s[2]))
      score -= 1.5;
    else
      score += common <= 0 ? -1 : s[1] < 0x80 ? common - 1 : common;
    s++;
    before = 0;
  }
  return score;
}

static double gbk_common(uint8_t a, uint8_t b) {
  return b < 0xa1 || b == 0xff ? 0 : a >= 0xb0 && a <= 0xd7 ? 2.5 : a >= 0xd8 && a <= 0xf7 ? 1.5 : 0;
}
static bool gbk_pair(uint8_t a, uint8_t b) { return a >= 0x81 && a != 0xff && b >= 0x40 && b != 0x7f && b != 0xff; }
static bool never(uint8_t a) {
  (void)a;
  return false;
}

/* Kana, and the kanji of the first level. */
static double cp932_common(uint8_t a, uint8_t b) {
  bool is = (a == 0x82 && b >= 0x9f && b <= 0xf1) || (a == 0x83 && b >= 0x40 && b <= 0x96) ||
            (a >= 0x88 && a <= 0x97 && b >= 0x40 && b != 0x7f && b <= 0xfc) ||
            (a == 0x81 && (b == 0x5b || b == 0x45 || b == 0x40));
  return is ? 2.5 : 0;
}
static bool cp932_pair(uint8_t a, uint8_t b) {
  return ((a >= 0x81 && a <= 0x9f) || (a >= 0xe0 && a <= 0xfc)) && b >= 0x40 && b != 0x7f && b <= 0xfc;
}
static bool cp932_single(uint8_t a) { return a >= 0xa1 && a <= 0xdf; } /* narrow katakana */

void wk_encoding_vote(wk_encoding_votes *v, const char *name) {
  const uint8_t *s = (const uint8_t *)name;
  v->names++;
  v->score[WK_ENCODING_CP437] += score_western(cp437, s);
  v->score[WK_ENCODING_CP1252] += score_western(cp1252, s);
  v->score[WK_ENCODING_CP932] += score_pairs(s, &(pairs){cp932_common, cp932_pair, cp932_single});
  v->score[WK_ENCODING_GBK] += score_pairs(s, &(pairs){gbk_common, gbk_pair, never});
}

/* Where nothing speaks for one of them, the first: every byte means something in CP437. */
wk_encoding wk_encoding_winner(const wk_encoding_votes *v) {
  wk_encoding best = WK_ENCODING_CP437;
  for (wk_encoding e = WK_ENCODING_CP1252; e <= WK_ENCODING_GBK; e++)
    if (v->score[e] > v->score[best])
      best = e;
  return best;
}

const char *wk_encoding_name(wk_encoding e) {
  static const char *const name[] = {"UTF-8", "CP437", "CP1252", "CP932", "GBK"};
  return name[e];
}

/* ---- decoding --------------------------------------------------------------------------------- */

static wk_status decode_western(char **out, const uint16_t *table, wk_encoding e, const char *s, wk_error *err) {
  char *to = wk_alloc(3 * strlen(s) + 1);
  if (!to)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  char *at = to;
  for (const uint8_t *from = (const uint8_t *)s; *from; from++) {
    unsigned c = *from < 0x80 ? *from : table[*from - 0x80];
    if (c == 0) {
      wk_free(to);
      return WK_FAIL(err, WK_ERR_FORMAT, "\"%.200s\" is neither UTF-8 nor %s", s, wk_encoding_name(e));
    }
    if (c < 0x80) {
      *at++ = (char)c;
    } else if (c < 0x800) {
      *at++ = (char)(0xc0 | c >> 6);
      *at++ = (char)(0x80 | (c & 0x3f));
    } else {
      *at++ = (char)(0xe0 | c >> 12);
      *at++ = (char)(0x80 | (c >> 6 & 0x3f));
      *at++ = (char)(0x80 | (c & 0x3f));
    }
  }
  *at = 0;
  *out = to;
  return WK_OK;
}

/* The tables of Chinese and Japanese are the system's. */
static wk_status decode_pairs(char **out, wk_encoding e, const char *s, wk_error *err) {
  wk_status st = WK_OK;
  size_t left = strlen(s), room = 3 * left + 1;
  char *to = wk_alloc(room + 1), *from = (char *)(uintptr_t)s, *at = to;
  iconv_t table = iconv_open("UTF-8", wk_encoding_name(e));
  WK_FAIL_IF(!to, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(table == (iconv_t)-1, err, WK_ERR_UNSUPPORTED, "this system has no table of the encoding %s",
             wk_encoding_name(e));
  WK_FAIL_IF(iconv(table, &from, &left, &at, &room) == (size_t)-1, err, WK_ERR_FORMAT,
             "\"%.200s\" is neither UTF-8 nor %s", s, wk_encoding_name(e));
  *at = 0;
  *out = to;
  to = NULL;
done:
  if (table != (iconv_t)-1)
    iconv_close(table);
  wk_free(to);
  return st;
}

wk_status wk_encoding_decode(char **out, wk_encoding e, const char *s, wk_error *err) {
  if (e == WK_ENCODING_CP437 || e == WK_ENCODING_CP1252)
    return decode_western(out, e == WK_ENCODING_CP437 ? cp437 : cp1252, e, s, err);
  if (e == WK_ENCODING_CP932 || e == WK_ENCODING_GBK)
    return decode_pairs(out, e, s, err);
  *out = wk_strdup(s);
  return *out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}
