/* csv.c - see csv.h. */
#include "csv.h"

#include <stdbool.h>
#include <string.h>

static void write_cell(FILE *out, const char *cell, bool guarded) {
  const bool quoted = cell[strcspn(cell, ",;\"\r\n")] || guarded;
  if (quoted)
    fputc('"', out);
  if (guarded)
    fputc('\'', out);
  for (; *cell; cell++) {
    if (*cell == '"')
      fputc('"', out);
    fputc(*cell, out);
  }
  if (quoted)
    fputc('"', out);
}

void wk_csv_write(FILE *out, const char *cell) { write_cell(out, cell, *cell && strchr("=+-@'\t\r", *cell)); }
void wk_csv_write_plain(FILE *out, const char *cell) { write_cell(out, cell, false); }

/* One cell into its own place; `*end` is what came behind it: a comma, a new line, or the end. */
static char *read_cell(char **text, char *end) {
  char *from = *text, *to = from, *cell = from;
  const bool quoted = *from == '"';
  from += quoted;
  for (bool inside = quoted; *from && (inside || (*from != ',' && *from != '\n')); from++) {
    if (inside && *from == '"' && from[1] == '"')
      from++;
    else if (inside && *from == '"') {
      inside = false;
      continue;
    }
    *to++ = *from;
  }
  *end = *from;
  *text = from + (*from != 0);
  if (!quoted && to > cell && to[-1] == '\r')
    to--;
  *to = 0;
  return *cell == '\'' ? cell + 1 : cell;
}

int wk_csv_read(char **text, char **cell, int most) {
  int cells = 0;
  char end = ',';
  while (end == ',') {
    char *one = read_cell(text, &end);
    if (cells < most)
      cell[cells] = one;
    cells++;
  }
  return cells;
}
