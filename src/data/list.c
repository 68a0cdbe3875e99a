/* list.c - a CSV or TSV of photos and labels, after RFC 4180, as spreadsheets and scripts really write it: with or
 * without a byte-order mark, quotes, and any kind of line ends. Fields are cut in place in the file's bytes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "data/data.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)
#define FIELDS_MAX 256

typedef struct reader {
  const char *path;
  char *at, *end;
  size_t line;      /* of the row being read, from 1 */
  size_t next_line; /* of the row after it */
  char separator;
  char *field[FIELDS_MAX]; /* of the row being read, each NUL-terminated */
  int fields;
} reader;

/* Cuts a quoted field that begins at r->at, undoubling its quotes; leaves r->at behind the closing quote. */
static wk_status cut_quoted(reader *r, wk_error *err) {
  char *to = r->at, *from = r->at + 1;
  for (;; from++) {
    if (from == r->end)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: a quote (\") is opened but never closed", r->path, r->line);
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

/* Reads the next row that is not blank; r->fields is 0 at the end. */
static wk_status next_row(reader *r, wk_error *err) {
  r->fields = 0;
  while (r->at < r->end && (*r->at == '\n' || *r->at == '\r'))
    r->next_line += *r->at++ == '\n';
  r->line = r->next_line;
  while (r->at < r->end) {
    if (r->fields == FIELDS_MAX)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: more than %d columns", r->path, r->line, FIELDS_MAX);
    r->field[r->fields++] = r->at;
    bool quoted = *r->at == '"';
    if (quoted)
      WK_RETURN_IF_ERROR(cut_quoted(r, err));
    else
      while (r->at < r->end && *r->at != r->separator && *r->at != '\n' && *r->at != '\r')
        r->at++;
    /* The byte past the end may be written: wk_file_read puts a NUL there. */
    char stop = r->at < r->end ? *r->at : '\n';
    if (stop != r->separator && stop != '\n' && stop != '\r')
      return WK_FAIL(
          err, WK_ERR_FORMAT,
          "%s: line %zu: text follows a closing quote (\"). Write a quote inside a quoted field twice (\"\")", r->path,
          r->line);
    if (!quoted)
      *r->at = 0;
    if (r->at == r->end)
      return WK_OK;
    r->at++;
    if (stop != r->separator) {
      r->next_line += stop == '\n' || (stop == '\r' && (r->at == r->end || *r->at != '\n'));
      return WK_OK;
    }
    if (r->at == r->end && r->fields < FIELDS_MAX) { /* a separator at the very end: one more, empty field */
      r->field[r->fields++] = r->end;
      *r->end = 0;
    }
  }
  return WK_OK;
}

static char *trim(char *s) {
  while (*s == ' ' || *s == '\t')
    s++;
  size_t n = strlen(s);
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
    s[--n] = 0;
  return s;
}

static int column(const reader *r, const char *const *names) {
  for (; *names; names++)
    for (int i = 0; i < r->fields; i++)
      if (strcasecmp(r->field[i], *names) == 0)
        return i;
  return -1;
}

typedef struct columns {
  int file, label, split; /* -1: not there */
} columns;

/* The separator is what stands between the columns' names. */
static char guess_separator(const char *at, const char *end) {
  for (; at < end && *at != '\n' && *at != '\r'; at++)
    if (*at == ',' || *at == '\t' || *at == ';')
      return *at;
  return ',';
}

static wk_status read_header(columns *c, reader *r, const wk_dataset_options *o, wk_error *err) {
  static const char *const file_names[] = {"file", "filename", "file_name", "path", "image", "photo", NULL};
  static const char *const label_names[] = {"label", "class", NULL};
  static const char *const split_names[] = {"split", "part", NULL};
  r->separator = guess_separator(r->at, r->end);
  WK_RETURN_IF_ERROR(next_row(r, err));
  if (!r->fields)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: the list is empty. Expected a first line \"file,label\" and one line a photo", r->path);
  for (int i = 0; i < r->fields; i++)
    r->field[i] = trim(r->field[i]);
  *c = (columns){column(r, file_names), column(r, label_names), column(r, split_names)};
  if (c->file >= 0 && (c->label >= 0 || o->allow_unlabelled))
    return WK_OK;
  const char *two = r->fields > 1 ? r->field[1] : "";
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "%s: the first line does not name a %s column (found \"%.80s%s%.80s\"). Begin the list with the line "
                 "\"file,label\"",
                 r->path, c->file < 0 ? "file" : "label", r->field[0], *two ? "\", \"" : "", two);
}

/* What else the bytes may be, told before the parser stumbles over them. */
static wk_status check_text(const char *path, const uint8_t *bytes, size_t size, wk_error *err) {
  if (size >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff)))
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: the list is in UTF-16. Save it again as \"CSV UTF-8\"", path);
  if (memchr(bytes, 0, size))
    return WK_FAIL(
        err, WK_ERR_FORMAT,
        "%s: this is neither a folder, nor a photo, nor a list. Expected a folder with one sub-folder a class, or a "
        "CSV with the columns file,label",
        path);
  return WK_OK;
}

/* Beside the list, else in images/ beside it. *there: whether it exists; if not, the first of the two is returned. */
static char *resolve(const char *folder, const char *file, bool *there) {
  char *beside = wk_path_join(folder, file);
  *there = beside && access(beside, F_OK) == 0;
  if (!beside || *there || file[0] == '/')
    return beside;
  char *below = wk_asprintf("%simages/%s", folder, file);
  *there = below && access(below, F_OK) == 0;
  wk_free(*there ? beside : below);
  return *there ? below : beside;
}

static wk_status add_row(wk_builder *b, reader *r, const columns *c, const char *folder, size_t *missing,
                         wk_error *err) {
  const char *file = trim(r->field[c->file]);
  const char *label = c->label >= 0 ? trim(r->field[c->label]) : "";
  if (!*file)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: the file's name is missing", r->path, r->line);
  if (!*label && !b->o->allow_unlabelled)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: %s has no label. Fill it in, or remove the line", r->path,
                   r->line, file);
  wk_split split = WK_SPLIT_ALL;
  if (c->split >= 0) {
    const char *name = trim(r->field[c->split]);
    split = wk_split_find(name, strlen(name));
    if (split == WK_SPLIT_ALL && *name)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s: line %zu: \"%s\" is not a split. Expected train, val or test", r->path,
                     r->line, name);
  }
  bool there;
  char *path = resolve(folder, file, &there);
  *missing += !there;
  return wk_builder_add(b, path, *label ? label : NULL, strlen(label), split, err);
}

static void begin(reader *r, const char *path, uint8_t *bytes, size_t size) {
  size_t mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  *r = (reader){.path = path, .at = (char *)bytes + mark, .end = (char *)bytes + size, .next_line = 1};
}

wk_status wk_read_list(wk_builder *b, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  size_t size = 0, missing = 0;
  const char *base = wk_path_base(path);
  char *folder = wk_strndup(path, (size_t)(base - path)); /* with its '/', or "" */
  columns c = {-1, -1, -1};
  reader *r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!folder || !r, err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_TRY(wk_file_read(&bytes, &size, path, LIST_BYTES_MAX, err));
  WK_TRY(check_text(path, bytes, size, err));

  begin(r, path, bytes, size);
  b->d->layout = WK_LAYOUT_LIST;
  WK_TRY(read_header(&c, r, b->o, err));
  int width = r->fields;
  for (;;) {
    WK_TRY(next_row(r, err));
    if (!r->fields)
      break;
    WK_FAIL_IF(
        r->fields != width, err, WK_ERR_FORMAT,
        "%s: line %zu has %d field%s, but the first line names %d columns. Put quotes around a field that holds a '%c'",
        path, r->line, r->fields, r->fields == 1 ? "" : "s", width, r->separator);
    WK_TRY(add_row(b, r, &c, folder, &missing, err));
  }
  WK_FAIL_IF(b->d->photo_count == 0, err, WK_ERR_FORMAT, "%s: the list names no photos: it has only its first line",
             path);
  WK_FAIL_IF(
      missing == b->d->photo_count, err, WK_ERR_NOT_FOUND,
      "%s: none of its %zu files is there (the first would be %s). Names are relative to the list's folder, or to "
      "images/ in it",
      path, b->d->photo_count, b->d->photos[0].path);
done:
  wk_free(r);
  wk_free(folder);
  wk_free(bytes);
  return st;
}

bool wk_is_list(const char *path) {
  uint8_t *bytes = NULL;
  size_t size;
  columns c;
  static const wk_dataset_options strict = {0};
  reader *r = wk_calloc(1, sizeof *r);
  bool is = r && wk_file_read(&bytes, &size, path, LIST_BYTES_MAX, NULL) == WK_OK;
  if (is) {
    begin(r, path, bytes, size);
    is = check_text(path, bytes, size, NULL) == WK_OK && read_header(&c, r, &strict, NULL) == WK_OK;
  }
  wk_free(r);
  wk_free(bytes);
  return is;
}
