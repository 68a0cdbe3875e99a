/* help.c - `whisker COMMAND --help`: every flag with its default and bounds, wrapped to the terminal's width. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pages.h"

enum { INDENT = 32, NARROWEST = 60 };

const char *cli_flag_name(const cli_listed *f) {
  static char name[72];
  const bool off = f->row.type == WK_OPTION_BOOL && f->table && f->row.value != 0;
  snprintf(name, sizeof name, "%s%s", off ? "no-" : "", f->row.name);
  return name;
}

static char *copy(const char *text) {
  char *out = text ? strdup(text) : NULL;
  return out ? out : calloc(1, 1);
}

static char *default_of(const cli_listed *f) {
  if (f->row.type == WK_OPTION_BOOL)
    return copy("");
  /* A number that is none: the program chooses. */
  if (f->row.type == WK_OPTION_DOUBLE && !f->table && *(double *)f->at != *(double *)f->at)
    return copy("");
  char *text = wk_option_text(f->at, &f->row);
  char *out = copy(text && f->row.automatic && !strcmp(text, "auto") ? f->row.automatic : text);
  wk_free(text);
  return out;
}

char *cli_bounds_text(const cli_listed *f) {
  char *text = wk_option_bounds(&f->row);
  char *out = copy(text && !strncmp(text, "one of ", 7) ? text + 7 : text);
  wk_free(text);
  return out;
}

/* Columns of the terminal that is written to; 0: it is none, and nothing is wrapped. */
static int columns_of(FILE *f) {
  struct winsize w = {0};
  if (!isatty(fileno(f)) || ioctl(fileno(f), TIOCGWINSZ, &w) || w.ws_col == 0)
    return 0;
  return w.ws_col < NARROWEST ? NARROWEST : w.ws_col;
}

/* The text's words, no line beyond `width`; the first line begins at column INDENT already. */
static void wrap(FILE *f, const char *text, int width) {
  for (int at = INDENT; *text;) {
    const int word = (int)strcspn(text, " ");
    if (width && at > INDENT && at + word > width) {
      fprintf(f, "\n%*s", INDENT, "");
      at = INDENT;
    }
    fprintf(f, "%.*s", word, text);
    at += word;
    text += word;
    if (*text == ' ') {
      text++;
      if (!width || at + 1 + (int)strcspn(text, " ") <= width)
        fputc(' ', f);
      at++;
    }
  }
  fputc('\n', f);
}

/* The default where c->other_when holds. */
static char *other_default(const cli *c, const cli_listed *f) {
  const cli_listed other = {.row = f->row, .at = c->other.at, .table = f->table};
  return c->other.at && f->table == c->other.table ? default_of(&other) : NULL;
}

char *cli_default_text(const cli *c, const cli_listed *f) {
  char *is = default_of(f), *other = other_default(c, f);
  if (is && other && *other && strcmp(is, other) != 0) {
    const char *first = *is ? is : "chosen";
    const size_t n = strlen(first) + strlen(c->other_when) + strlen(other) + 5;
    char *both = malloc(n);
    if (both)
      snprintf(both, n, "%s; %s: %s", first, c->other_when, other);
    free(is);
    is = both;
  }
  free(other);
  return is;
}

static void print_flag(FILE *out, const cli *c, const cli_listed *f, int width) {
  char left[96], text[2048];
  const wk_option *row = &f->row;
  snprintf(left, sizeof left, "%s%c%s--%s%s%s", row->letter ? "-" : "", row->letter ? row->letter : ' ',
           row->letter ? ", " : "   ", cli_flag_name(f), row->placeholder ? " " : "",
           row->placeholder ? row->placeholder : "");
  char *is = cli_default_text(c, f), *bounds = cli_bounds_text(f);
  int n = snprintf(text, sizeof text, "%s", row->help);
  if (*bounds)
    n += snprintf(text + n, sizeof text - (size_t)n, " (%s)", bounds);
  if (*is)
    snprintf(text + n, sizeof text - (size_t)n, " [%s]", is);
  if (strlen(left) > INDENT - 4)
    fprintf(out, "  %s\n%*s", left, INDENT, "");
  else
    fprintf(out, "  %-*s  ", INDENT - 4, left);
  wrap(out, text, width);
  free(is);
  free(bounds);
}

void cli_write_help(cli *c, const cli_command *self, const cli_flag_list *list) {
  FILE *f = c->page_file ? c->page_file : stdout;
  const int width = columns_of(f);
  fprintf(f, "usage: whisker %s%s%s\n\n%s\n", self->name, *self->usage ? " " : "", self->usage, self->summary);
  for (int common = 0; common < 2; common++) {
    bool any = false;
    for (int i = 0; i < list->count; i++)
      if (list->flag[i].common == common) {
        if (!any)
          fputs(common ? "\nflags of every command:\n" : "\nflags (bounds) [default]:\n", f);
        any = true;
        print_flag(f, c, &list->flag[i], width);
      }
  }
  fputs("\nexamples:\n", f);
  for (int i = 0; i < 2; i++)
    fprintf(f, "  %s\n", self->examples[i]);
}

/* ---- commands that have several ways ------------------------------------------------------------- */

/* "cam" of "look cam". */
static const char *short_name(const cli_command *way) { return strchr(way->name, ' ') + 1; }

void cli_list_ways(const cli_command *self, FILE *f) {
  for (const cli_command *way = self->ways; way->name; way++)
    fprintf(f, "  %-10s %s\n", short_name(way), way->summary);
}

int cli_run_way(cli *c, const cli_command *self, void (*print_help)(const cli_command *self, FILE *f), const char *what,
                int argc, char **argv) {
  enum { MOST = 31 };
  const char *names[MOST + 1] = {NULL};
  int count = 0;
  if (argc < 2) {
    print_help(self, stderr);
    return CLI_USAGE;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
    print_help(self, stdout);
    return CLI_DONE;
  }
  for (const cli_command *way = self->ways; way->name; way++) {
    if (!strcmp(short_name(way), argv[1]))
      return way->run(c, way, argc - 1, argv + 1);
    if (count < MOST)
      names[count++] = short_name(way);
  }
  const char *nearest = wk_nearest_name(argv[1], names);
  return cli_usage_error(self, "'%s' is %s%s%s%s", argv[1], what, nearest ? "; did you mean " : "",
                         nearest ? nearest : "", nearest ? "?" : "");
}
