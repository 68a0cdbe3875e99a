/* list_rows.c - a list's bytes as rows of fields, after RFC 4180, as spreadsheets and scripts really write it: with or
 * without a byte-order mark, in UTF-8 or UTF-16, quoted or not, with any separator and any kind of line ends. Fields
 * are cut in place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/list.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)
#define SAMPLE_BYTES ((size_t)1 << 18)

/* ---- text ------------------------------------------------------------------------------------- */

static wk_status read_bytes(uint8_t **out, size_t *size, const char *path, bool sample, wk_error *err) {
  if (!sample)
    return wk_file_read(out, size, path, LIST_BYTES_MAX, err);
  wk_status st = WK_OK;
  ssize_t n = 0;
  uint8_t *bytes = wk_alloc(SAMPLE_BYTES + 1);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  WK_FAIL_IF(!bytes, err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_FAIL_IF(fd < 0 || (n = read(fd, bytes, SAMPLE_BYTES)) < 0, err, WK_ERR_IO, "%s: cannot be read: %s", path,
             strerror(errno));
  *size = (size_t)n;
  if (*size == SAMPLE_BYTES) /* up to a whole line */
    while (*size && bytes[*size - 1] != '\n')
      --*size;
  bytes[*size] = 0;
  *out = bytes;
  bytes = NULL;
done:
  if (fd >= 0)
    close(fd);
  wk_free(bytes);
  return st;
}

static size_t put_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    to[0] = (char)c;
    return 1;
  }
  size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  for (size_t i = more; i > 0; i--, c >>= 6)
    to[i] = (char)(0x80 | (c & 0x3f));
  to[0] = (char)((0xff00 >> (more + 1) & 0xff) | c);
  return more + 1;
}

/* Half of a pair, and a zero, become U+FFFD. */
static char *from_utf16(size_t *size, const uint8_t *bytes, size_t n, bool big) {
  char *out = wk_alloc(n / 2 * 3 + 2);
  size_t at = 0;
  for (size_t i = 0; out && i + 1 < n; i += 2) {
    uint32_t c = big ? (uint32_t)bytes[i] << 8 | bytes[i + 1] : (uint32_t)bytes[i + 1] << 8 | bytes[i];
    if (c >= 0xd800 && c < 0xdc00 && i + 3 < n) {
      uint32_t low = big ? (uint32_t)bytes[i + 2] << 8 | bytes[i + 3] : (uint32_t)bytes[i + 3] << 8 | bytes[i + 2];
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      }
    }
    at += put_utf8(out + at, c == 0 || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
  }
  if (out)
    out[at] = 0;
  *size = at;
  return out;
}

/* The line, from 1, of the first byte that is not UTF-8; 0: all of it is. */
static size_t bad_line(const char *text, size_t size) {
  size_t line = 1;
  for (const char *at = text, *end = text + size; at < end; line++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);
    if (!wk_is_utf8(at, len))
      return line;
    at += len + 1;
  }
  return 0;
}

/* UTF-16 has its mark, or every other byte of the first line zero. */
static bool is_utf16(bool *big, size_t *skip, const uint8_t *b, size_t n) {
  bool little_mark = n >= 2 && b[0] == 0xff && b[1] == 0xfe, big_mark = n >= 2 && b[0] == 0xfe && b[1] == 0xff;
  *skip = little_mark || big_mark ? 2 : 0;
  *big = big_mark || (!little_mark && n >= 4 && !b[0] && b[1] && !b[2] && b[3]);
  return *skip || *big || (n >= 4 && b[0] && !b[1] && b[2] && !b[3]);
}

static wk_status make_text(char **text, size_t *size, uint8_t *bytes, size_t n, const char *show, wk_error *err) {
  bool big;
  size_t skip;
  if (is_utf16(&big, &skip, bytes, n)) {
    char *out = from_utf16(size, bytes + skip, n - skip, big);
    wk_free(bytes);
    *text = out;
    return out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for a list of %zu bytes", show, n);
  }
  *text = (char *)bytes;
  *size = n;
  if (memchr(bytes, 0, n))
    return WK_FAIL(
        err, WK_ERR_FORMAT,
        "%s: this is neither a folder, nor a photo, nor a list. Expected a folder with one sub-folder a class, or a "
        "CSV with the columns file,label",
        show);
  size_t line = bad_line(*text, n);
  if (line)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu is not UTF-8. Save the list again as \"CSV UTF-8\"", show, line);
  return WK_OK;
}

/* ---- rows ------------------------------------------------------------------------------------- */

/* What stands most often in the first line, outside of quotes; without any, the spaces in it. */
static char guess_separator(const char *at, const char *end) {
  static const char known[] = ",;\t|";
  size_t count[sizeof known] = {0}, best = 0, spaces = 0;
  bool quoted = false;
  while (at < end && (*at == '\n' || *at == '\r' || *at == ' '))
    at++;
  for (; at < end && *at != '\n' && *at != '\r'; at++) {
    quoted = quoted != (*at == '"');
    const char *which = quoted ? NULL : strchr(known, *at);
    if (which && *which)
      count[which - known]++;
    spaces += *at == ' ' && at[1] != ' ';
  }
  for (size_t i = 1; i < sizeof known - 1; i++)
    best = count[i] > count[best] ? i : best;
  return count[best] ? known[best] : spaces ? ' ' : ',';
}

/* Excel's own "sep=;". */
static void take_separator_line(wk_rows *r) {
  if (r->end - r->at < 5 || memcmp(r->at, "sep=", 4) != 0)
    return;
  const char *stop = r->at + 5;
  if (stop < r->end && *stop != '\n' && *stop != '\r')
    return;
  r->separator = r->at[4];
  r->at += 5;
}

wk_status wk_rows_open(wk_rows **out, const char *path, const char *show, bool sample, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  size_t size = 0;
  wk_rows *r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_TRY(read_bytes(&bytes, &size, path, sample, err));
  WK_TRY(make_text(&r->text, &size, bytes, size, show, err));
  r->show = show;
  r->at = r->text + (size >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
  r->end = r->text + size;
  r->next_line = 1;
  take_separator_line(r);
  if (!r->separator)
    r->separator = guess_separator(r->at, r->end);
  *out = r;
  r = NULL;
done:
  wk_rows_free(r);
  return st;
}

void wk_rows_free(wk_rows *r) {
  if (r)
    wk_free(r->text);
  wk_free(r);
}

/* Cuts a quoted field that begins at r->at, undoubling its quotes; leaves r->at behind the closing quote. */
static wk_status cut_quoted(wk_rows *r, wk_error *err) {
  char *to = r->at, *from = r->at + 1;
  for (;; from++) {
    if (from == r->end)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: a quote (\") is opened but never closed", r->show, r->line);
    if (*from == '"') {
      if (from + 1 == r->end || from[1] != '"')
        break;
      from++;
    }
    r->next_line += *from == '\n';
    *to++ = *from;
  }
  *to = 0;
  r->at = from + 1;
  return WK_OK;
}

static void trim(char **field) {
  while (**field == ' ' || **field == '\t')
    ++*field;
  size_t n = strlen(*field);
  while (n && ((*field)[n - 1] == ' ' || (*field)[n - 1] == '\t'))
    (*field)[--n] = 0;
}

static bool parts_fields(const wk_rows *r, char c) { return c == r->separator || (r->separator == ' ' && c == '\t'); }

/* Reads fields up to the end of the row. */
static wk_status cut_row(wk_rows *r, wk_error *err) {
  while (r->at < r->end) {
    if (r->fields == WK_FIELDS_MAX)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: more than %d columns", r->show, r->line, WK_FIELDS_MAX);
    while (r->separator == ' ' && r->at < r->end && parts_fields(r, *r->at))
      r->at++;
    r->field[r->fields++] = r->at;
    bool quoted = r->at < r->end && *r->at == '"';
    if (quoted)
      WK_RETURN_IF_ERROR(cut_quoted(r, err));
    else
      while (r->at < r->end && !parts_fields(r, *r->at) && *r->at != '\n' && *r->at != '\r')
        r->at++;
    /* The byte past the end may be written: the text ends with a NUL there. */
    char stop = r->at < r->end ? *r->at : '\n';
    if (!parts_fields(r, stop) && stop != '\n' && stop != '\r')
      return WK_FAIL(
          err, WK_ERR_FORMAT,
          "%s: line %zu: text follows a closing quote (\"). Write a quote inside a quoted field twice (\"\")", r->show,
          r->line);
    if (!quoted)
      *r->at = 0;
    if (r->at == r->end)
      return WK_OK;
    r->at++;
    if (!parts_fields(r, stop)) {
      r->next_line += stop == '\n' || (stop == '\r' && (r->at == r->end || *r->at != '\n'));
      return WK_OK;
    }
    if (r->at == r->end && r->fields < WK_FIELDS_MAX) { /* a separator at the very end: one more, empty field */
      r->field[r->fields++] = r->end;
      *r->end = 0;
    }
  }
  return WK_OK;
}

wk_status wk_rows_next(wk_rows *r, wk_error *err) {
  for (;;) {
    r->fields = 0;
    while (r->at < r->end && (*r->at == '\n' || *r->at == '\r'))
      r->next_line += *r->at++ == '\n';
    r->line = r->next_line;
    if (r->at == r->end)
      return WK_OK;
    WK_RETURN_IF_ERROR(cut_row(r, err));
    bool blank = true;
    for (int i = 0; i < r->fields; i++) {
      trim(&r->field[i]);
      blank = blank && !*r->field[i];
    }
    if (r->separator == ' ' && r->fields && !*r->field[r->fields - 1])
      r->fields--;                                                 /* spaces at the line's end */
    if (!blank && !(r->separator == ' ' && r->field[0][0] == '#')) /* "#Image CLASS-ID": how scripts comment */
      return WK_OK;
  }
}
