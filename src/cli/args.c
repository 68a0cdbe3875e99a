/* args.c - the command line read by tables: a command's flags are rows (whisker/options.h), so that what is accepted,
 * what
 * --help says and what the manual says cannot disagree. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

int cli_usage_error(const cli_command *self, const char *fmt, ...) {
  fprintf(stderr, "whisker %s: ", self->name);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fprintf(stderr, " (`whisker %s --help` shows the flags)\n", self->name);
  return CLI_USAGE;
}

/* ---- the list of flags ------------------------------------------------------------------------- */

/* Is `name` one of the words of `list`? */
static bool is_among(const char *list, const char *name) {
  const size_t n = strlen(name);
  for (const char *p = list; (p = strstr(p, name)); p += n)
    if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
      return true;
  return false;
}

static void add(cli_flag_list *out, const wk_option *row, void *at, const wk_option_table *table, bool common) {
  if (out->count < CLI_MOST_FLAGS)
    out->flag[out->count++] = (cli_listed){*row, at, table, common};
}

/* A variable of the command as a row of a struct that is the variable alone. */
static wk_option row_of(const cli_flag *f) {
  static const wk_option_type type[] = {
      [CLI_BOOL] = WK_OPTION_BOOL,     [CLI_INT] = WK_OPTION_INT,     [CLI_SIZE] = WK_OPTION_U64,
      [CLI_DOUBLE] = WK_OPTION_DOUBLE, [CLI_STRING] = WK_OPTION_TEXT, [CLI_CHOICE] = WK_OPTION_CHOICE};
  return (wk_option){.name = f->name,
                     .letter = f->letter,
                     .type = type[f->kind],
                     .min = f->min,
                     .max = f->max,
                     .choices = f->choices,
                     .placeholder = f->meta,
                     .help = f->help};
}

static void add_flags(cli_flag_list *out, const cli_flag *flags, bool common) {
  for (const cli_flag *f = flags; f && f->name; f++) {
    wk_option row = row_of(f);
    add(out, &row, f->value, NULL, common);
  }
}

static void add_table(cli_flag_list *out, const cli_options *o, bool common) {
  wk_option row;
  for (int i = 0; wk_options_row(&row, o->table, i); i++)
    if (!(row.flags & WK_OPTION_NO_FLAG) && row.type != WK_OPTION_PART && (!o->only || is_among(o->only, row.name)))
      add(out, &row, o->at, o->table, common);
}

void cli_add_options(cli *c, void *options, const wk_option_table *table, const char *only) {
  if (c->options_count < CLI_MOST_STRUCTS)
    c->options[c->options_count++] = (cli_options){options, table, only};
}

static const cli_listed *find(const cli_flag_list *list, const char *name) {
  for (int i = 0; i < list->count; i++)
    if (!strcmp(list->flag[i].row.name, name))
      return &list->flag[i];
  return NULL;
}

static const cli_listed *find_old(const cli_flag_list *list, const char *name) {
  for (int i = 0; i < list->count; i++)
    if (list->flag[i].row.old_names && is_among(list->flag[i].row.old_names, name))
      return &list->flag[i];
  return NULL;
}

static const cli_listed *find_letter(const cli_flag_list *list, char letter) {
  for (int i = 0; i < list->count; i++)
    if (list->flag[i].row.letter == letter)
      return &list->flag[i];
  return NULL;
}

/* ---- values ------------------------------------------------------------------------------------ */

static wk_status set(void *at, const wk_option *row, const wk_option_table *table, const char *text, wk_error *err) {
  const wk_option alone[] = {*row, {0}};
  const wk_option_table variable = {"variable", 0, alone, NULL};
  return wk_options_set(at, table ? table : &variable, row->name, text, err);
}

/* Keeps the last value; false: there are too many. */
static void note_given(cli *c, const char *name, const char *text) {
  int i = 0;
  while (i < c->given_count && strcmp(c->given[i].name, name) != 0)
    i++;
  if (i == CLI_MOST_FLAGS)
    return;
  c->given[i] = (cli_given){name, text};
  c->given_count += i == c->given_count;
}

bool cli_was_given(const cli *c, const char *name) {
  for (int i = 0; i < c->given_count; i++)
    if (!strcmp(c->given[i].name, name))
      return true;
  return false;
}

/* Choices that others go with come first, so that what was said of the others stays. */
void cli_apply_given(const cli *c, void *options, const wk_option_table *table) {
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < c->given_count; i++) {
      wk_option row;
      wk_error ignored; /* it was checked when it was read */
      if (wk_options_find(&row, table, c->given[i].name) && !(row.flags & WK_OPTION_NO_FLAG) &&
          (row.with != NULL) == (pass == 0))
        (void)!wk_options_set(options, table, row.name, c->given[i].text, &ignored);
    }
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static int no_such_flag(const cli_command *self, const cli_flag_list *list, const char *name) {
  const char *names[CLI_MOST_FLAGS + 1];
  for (int i = 0; i < list->count; i++)
    names[i] = list->flag[i].row.name;
  names[list->count] = NULL;
  const char *nearest = strlen(name) > 1 ? wk_nearest_name(name, names) : NULL;
  return cli_usage_error(self, "there is no flag %s%s%s%s%s", strlen(name) > 1 ? "--" : "-", name,
                         nearest ? "; did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* One flag as it was typed. */
typedef struct typed {
  char name[64]; /* without dashes and value */
  const char *value;
  bool off; /* --no-NAME */
} typed;

static const cli_listed *look_up(typed *t, const cli_flag_list *list, const char *arg) {
  const cli_listed *f;
  *t = (typed){0};
  if (arg[1] != '-') {
    t->name[0] = arg[1];
    t->value = arg[2] ? arg + 2 : NULL;
    return find_letter(list, arg[1]);
  }
  const size_t n = strcspn(arg + 2, "=");
  snprintf(t->name, sizeof t->name, "%.*s", (int)n, arg + 2);
  t->value = arg[2 + n] ? arg + 3 + n : NULL;
  if ((f = find(list, t->name)))
    return f;
  if (!strncmp(t->name, "no-", 3) && (f = find(list, t->name + 3)) && f->row.type == WK_OPTION_BOOL) {
    t->off = true;
    return f;
  }
  if ((f = find_old(list, t->name))) {
    t->off = f->row.type == WK_OPTION_BOOL && !strncmp(t->name, "no-", 3);
    fprintf(stderr, "whisker: --%s is called --%s%s now\n", t->name, t->off ? "no-" : "", f->row.name);
  }
  return f;
}

/* Reads the flag at argv[*i]; 0, or -1 - the exit code. */
static int read_flag(cli *c, const cli_command *self, const cli_flag_list *list, int *i, int argc, char **argv) {
  typed t;
  const cli_listed *f = look_up(&t, list, argv[*i]);
  if (!f)
    return -1 - no_such_flag(self, list, t.name);
  const wk_option *row = &f->row;
  if (row->type == WK_OPTION_BOOL) {
    if (t.value)
      return -1 - cli_usage_error(self, "--%s takes no value", t.name);
    t.value = t.off ? "false" : "true";
  } else if (!t.value) {
    if (++*i >= argc)
      return -1 - cli_usage_error(self, "--%s needs a value (%s)", row->name, row->placeholder);
    t.value = argv[*i];
  }
  wk_error err = {0};
  if (set(f->at, row, f->table, t.value, &err) != WK_OK)
    return -1 - cli_usage_error(self, "--%s%s%s", row->type == WK_OPTION_CODEC ? row->name : "",
                                row->type == WK_OPTION_CODEC ? ": " : "", err.message);
  note_given(c, row->name, t.value);
  return 0;
}

/* What was asked of the session also holds for calls that take no session. */
static int take_session_options(cli *c, bool no_cache) {
  const wk_session_options *o = &c->asked;
  const char *cache = o->features;
  c->ctx.threads = o->threads;
  c->ctx.seed = o->seed;
  c->pull.pixels = o->pixels;
  c->pull.labels = o->labels;
  c->pull.weights_key = o->weights_key;
  if (!cache && !no_cache)
    return 0;
  free(c->features);
  c->features = no_cache ? NULL : cli_join(cache, "");
  if (no_cache || c->features)
    return 0;
  fputs("whisker: out of memory\n", stderr);
  return -1 - CLI_FAILED;
}

int cli_parse(cli *c, const cli_command *self, const cli_flag *flags, int least, int most, int argc, char **argv) {
  bool help = false, no_cache = false;
  const cli_flag common[] = {
      {"no-cache", 0, CLI_BOOL, &no_cache, NULL, "neither read nor write cached features", 0, 0, NULL},
      {"json", 0, CLI_BOOL, &c->json, NULL, "print one JSON object on standard output and nothing else there", 0, 0,
       NULL},
      {"quiet", 'q', CLI_BOOL, &c->quiet, NULL, "no progress and no remarks; the answer is still printed", 0, 0, NULL},
      {"verbose", 'v', CLI_BOOL, &c->verbose, NULL, "print every remark", 0, 0, NULL},
      {"help", 'h', CLI_BOOL, &help, NULL, "print this text", 0, 0, NULL},
      {0}};
  cli_flag_list list = {0};
  add_flags(&list, flags, false);
  for (int i = 0; i < c->options_count; i++)
    add_table(&list, &c->options[i], false);
  add_table(&list, &(cli_options){&c->asked, wk_session_options_table(), NULL}, true);
  add_flags(&list, common, true);
  /* --help shows the defaults, so it is looked for before anything is set. */
  for (int i = 1; i < argc && strcmp(argv[i], "--") && !c->page; i++)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
      c->page = CLI_PAGE_HELP;
  if (c->page) {
    cli_write_page(c, self, &list);
    c->options_count = 0;
    return -1 - CLI_DONE;
  }
  int n = 0;
  bool only_names = false;
  for (int i = 1; i < argc; i++) {
    if (only_names || argv[i][0] != '-' || !argv[i][1]) {
      argv[n++] = argv[i];
    } else if (!strcmp(argv[i], "--")) {
      only_names = true;
    } else {
      int rc = read_flag(c, self, &list, &i, argc, argv);
      if (rc)
        return rc;
    }
  }
  for (int i = 0; i < c->options_count; i++)
    cli_apply_given(c, c->options[i].at, c->options[i].table);
  if (n < least)
    return -1 - cli_usage_error(self, "something is missing: whisker %s %s", self->name, self->usage);
  if (n > most)
    return -1 - cli_usage_error(self, "'%s' is one argument too many", argv[most]);
  int rc = take_session_options(c, no_cache);
  return rc ? rc : n;
}
