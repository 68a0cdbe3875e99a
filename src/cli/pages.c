/* pages.c - the manual, one page a command, and the list of all flags, written when whisker is built: by the command
 * itself, from the rows that its flags are read by. */
#include "pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>


/* ---- roff -------------------------------------------------------------------------------------- */

/* What roff would take for its own is escaped; a minus stays one that can be copied. */
static void roff(FILE *f, const char *text) {
  for (const char *p = text; *p; p++)
    if (*p == '\\')
      fputs("\\e", f);
    else if (*p == '-')
      fputs("\\-", f);
    else if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
      fprintf(f, "\\&%c", *p);
    else
      fputc(*p, f);
}

/* "look cam" is the page whisker-look-cam. */
static void page_name(char out[64], const cli_command *self) {
  int n = snprintf(out, 64, "whisker-%s", self->name);
  for (int i = 0; i < n && i < 63; i++)
    out[i] = out[i] == ' ' ? '-' : out[i];
}

static void man_head(FILE *f, const char *page, const char *summary) {
  fputs(".TH ", f);
  for (const char *p = page; *p; p++)
    fprintf(f, "%s%c", *p == '-' ? "\\" : "", *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
  fprintf(f, " 1 " WK_MAN_DATE " \"whisker %s\" \"User Commands\"\n.SH NAME\n", wk_version());
  roff(f, page);
  fputs(" \\- ", f);
  roff(f, summary);
  fputs("\n", f);
}

static void man_flag(FILE *f, const cli *c, const cli_listed *l) {
  const wk_option *row = &l->row;
  char *is = cli_default_text(c, l), *bounds = cli_bounds_text(l);
  fputs(".TP\n", f);
  if (row->letter)
    fprintf(f, "\\fB\\-%c\\fR, ", row->letter);
  fputs("\\fB\\-\\-", f);
  roff(f, cli_flag_name(l));
  fputs("\\fR", f);
  if (row->placeholder) {
    fputs(" \\fI", f);
    roff(f, row->placeholder);
    fputs("\\fR", f);
  }
  fputs("\n", f);
  roff(f, row->help);
  if (*bounds) {
    fputs(row->type == WK_OPTION_CHOICE ? "; one of " : "; ", f);
    roff(f, bounds);
  }
  fputs(".", f);
  if (*is) {
    fputs(" Default: ", f);
    roff(f, is);
    fputs(".", f);
  }
  fputs("\n", f);
  free(is);
  free(bounds);
}

static void man_tail(FILE *f) {
  fputs(
      ".SH EXIT STATUS\n.TP\n.B 0\nDone.\n.TP\n.B 1\nThe job could not be done; one line on standard error says why.\n"
      ".TP\n.B 2\nThe command line was wrong.\n.TP\n.B 130\nStopped by Ctrl\\-C; what was finished is kept.\n"
      ".SH ENVIRONMENT\n.TP\n.B WHISKER_HOME\nFolder of weights and cached features. Default: ~/.cache/whisker.\n"
      ".TP\n.B WHISKER_MIRROR\nBase URL or folder that is tried first for downloads.\n",
      f);
}

static void man_examples(FILE *f, const cli_command *self) {
  fputs(".SH EXAMPLES\n.EX\n", f);
  for (int i = 0; i < 2; i++) {
    roff(f, self->examples[i]);
    fputs("\n", f);
  }
  fputs(".EE\n", f);
}

static void write_man(cli *c, const cli_command *self, const cli_flag_list *list) {
  FILE *f = c->page_file;
  char page[64];
  page_name(page, self);
  man_head(f, page, self->summary);
  fputs(".SH SYNOPSIS\n.B whisker ", f);
  roff(f, self->name);
  fputs("\n", f);
  if (*self->usage) {
    roff(f, self->usage);
    fputs("\n", f);
  }
  for (int common = 0; common < 2; common++) {
    bool any = false;
    for (int i = 0; i < list->count; i++)
      if (list->flag[i].common == common) {
        if (!any)
          fputs(common ? ".SH OPTIONS OF EVERY COMMAND\n" : ".SH OPTIONS\n", f);
        any = true;
        man_flag(f, c, &list->flag[i]);
      }
  }
  man_examples(f, self);
  man_tail(f);
  fputs(".SH SEE ALSO\n.BR whisker (1)\n", f);
}

/* The page of whisker itself, or of a command that only has commands below it. */
static void write_overview(FILE *f, const char *page, const char *summary, const char *usage,
                           const cli_command *command, int count) {
  man_head(f, page, summary);
  fputs(".SH SYNOPSIS\n.B whisker\n", f);
  roff(f, usage);
  fputs("\n.SH COMMANDS\n", f);
  for (int i = 0; i < count; i++) {
    char of[64];
    page_name(of, &command[i]);
    fputs(".TP\n.BR ", f);
    roff(f, of);
    fputs(" (1)\n", f);
    roff(f, command[i].summary);
    fputs("\n", f);
  }
  man_tail(f);
}

/* ---- one page ---------------------------------------------------------------------------------- */

static void write_list(FILE *f, const cli_command *self, const cli_flag_list *list) {
  for (int i = 0; i < list->count; i++) {
    const cli_listed *l = &list->flag[i];
    fprintf(f, "%s\t--%s\t", self->name, cli_flag_name(l));
    if (l->row.letter)
      fprintf(f, "-%c", l->row.letter);
    else
      fputs("none", f);
    fprintf(f, "\t%s\n", l->row.old_names ? l->row.old_names : "none");
  }
}

void cli_write_page(cli *c, const cli_command *self, const cli_flag_list *list) {
  switch (c->page) {
  case CLI_PAGE_MAN:
    write_man(c, self, list);
    break;
  case CLI_PAGE_LIST:
    write_list(c->page_file, self, list);
    break;
  case CLI_PAGE_HELP:
  case CLI_PAGE_NONE:
    cli_write_help(c, self, list);
    break;
  default:
    cli_write_completion(c, self, list);
    break;
  }
}

void cli_page_of(cli *c, const cli_command *command, cli_page page, FILE *f) {
  if (command->ways) {
    for (const cli_command *way = command->ways; way->name; way++)
      cli_page_of(c, way, page, f);
    return;
  }
  char name[1] = "", *argv[] = {name, NULL};
  c->page = page;
  c->page_file = f;
  (void)command->run(c, command, 1, argv);
  c->other.at = NULL; /* it was the command's */
}

int cli_write_list(cli *c, const cli_command *commands, int count) {
  for (int i = 0; i < count; i++)
    cli_page_of(c, &commands[i], CLI_PAGE_LIST, stdout);
  return fflush(stdout) ? CLI_FAILED : CLI_DONE;
}

/* ---- all pages --------------------------------------------------------------------------------- */

typedef struct writing {
  cli *c;
  const char *folder;
  bool failed;
} writing;

/* FOLDER/SUB, made with the folders above it, for writing; NULL: told, and `failed` is set. */
static FILE *create(writing *w, const char *sub) {
  char path[4096];
  FILE *f = NULL;
  if (snprintf(path, sizeof path, "%s/%s", w->folder, sub) < (int)sizeof path) {
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
      *p = 0;
      if (mkdir(path, 0777) && errno != EEXIST)
        break;
      *p = '/';
    }
    f = fopen(path, "w");
  }
  if (!f) {
    fprintf(stderr, "whisker: %s/%s: cannot be written: %s\n", w->folder, sub, strerror(errno));
    w->failed = true;
  }
  return f;
}

static void done(writing *w, FILE *f, const char *sub) {
  if (!f)
    return;
  if (fclose(f)) {
    fprintf(stderr, "whisker: %s/%s: cannot be written: %s\n", w->folder, sub, strerror(errno));
    w->failed = true;
  }
}

static void man_page(writing *w, const cli_command *command) {
  char page[64], sub[128];
  page_name(page, command);
  snprintf(sub, sizeof sub, "man/man1/%s.1", page);
  FILE *f = create(w, sub);
  if (f && command->ways) {
    int count = 0;
    while (command->ways[count].name)
      count++;
    char usage[128];
    snprintf(usage, sizeof usage, "%s %s", command->name, command->usage);
    write_overview(f, page, command->summary, usage, command->ways, count);
  } else if (f) {
    cli_page_of(w->c, command, CLI_PAGE_MAN, f);
  }
  done(w, f, sub);
  for (const cli_command *way = command->ways; way && way->name; way++)
    man_page(w, way);
}

static void completion(writing *w, const cli_command *commands, int count, const char *sub, cli_page first,
                       cli_page last) {
  FILE *f = create(w, sub);
  for (int page = (int)first; f && page <= (int)last; page++) {
    cli_begin_completion((cli_page)page, f, commands, count);
    for (int i = 0; i < count; i++)
      cli_page_of(w->c, &commands[i], (cli_page)page, f);
    cli_end_completion((cli_page)page, f);
  }
  done(w, f, sub);
}

int cli_write_pages(cli *c, const cli_command *commands, int count, const char *folder) {
  writing w = {c, folder, false};
  FILE *f = create(&w, "man/man1/whisker.1");
  if (f)
    write_overview(f, "whisker", "transfer learning for images", "COMMAND ...", commands, count);
  done(&w, f, "man/man1/whisker.1");
  for (int i = 0; i < count; i++)
    man_page(&w, &commands[i]);
  completion(&w, commands, count, "bash-completion/completions/whisker", CLI_PAGE_BASH_VALUES, CLI_PAGE_BASH_FLAGS);
  completion(&w, commands, count, "zsh/site-functions/_whisker", CLI_PAGE_ZSH, CLI_PAGE_ZSH);
  completion(&w, commands, count, "fish/vendor_completions.d/whisker.fish", CLI_PAGE_FISH, CLI_PAGE_FISH);
  return w.failed ? CLI_FAILED : CLI_DONE;
}
