/* cli.h - what the commands share. The command line stands on the public API alone; everything the library must not
 * do (printing, reading the environment, catching Ctrl-C) happens here. */
#ifndef WK_CLI_H
#define WK_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "whisker/whisker.h"

/* Exit codes of every command. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

typedef struct cli_console cli_console;

enum { CLI_MOST_FLAGS = 128, CLI_MOST_STRUCTS = 4 }; /* of one command */
typedef struct cli_given {
  const char *name, *text;
} cli_given;

/* A struct of options whose table's rows are flags of the command (cli_add_options). */
typedef struct cli_options {
  void *at;
  const wk_option_table *table;
  const char *only;
} cli_options;

/* What a command writes instead of doing its work: its help, its page of the manual, and so on (pages.h). */
typedef enum cli_page {
  CLI_PAGE_NONE = 0,
  CLI_PAGE_HELP,
  CLI_PAGE_MAN,
  CLI_PAGE_LIST,
  CLI_PAGE_BASH_VALUES,
  CLI_PAGE_BASH_FLAGS,
  CLI_PAGE_ZSH,
  CLI_PAGE_FISH
} cli_page;

typedef struct cli {
  bool json, quiet, verbose;
  wk_session_options asked; /* of the command line */
  wk_context ctx;           /* threads, seed, callbacks */
  wk_session *session;      /* opened by the first cli_session */
  char *home;               /* what the next three lie below */
  char *weights;            /* folder of weight files */
  char *unpacked;           /* folder of unpacked archives */
  char *features;           /* folder of the feature cache; NULL with --no-cache */
  wk_pull_options pull;
  cli_console *console;
  json_t *warnings;                /* every warning of the run, for --json */
  cli_given given[CLI_MOST_FLAGS]; /* flags that were on the command line, each once, with its last value */
  int given_count;
  cli_options options[CLI_MOST_STRUCTS];
  int options_count;
  cli_options other;      /* a struct with other defaults, for --help; at NULL: none */
  const char *other_when; /* "from scratch" */
  cli_page page;
  FILE *page_file; /* NULL: standard output */
} cli;

typedef struct cli_command {
  const char *name;
  const char *usage;   /* what follows the command's name */
  const char *summary; /* one line for the list of commands */
  const char *examples[2];
  int (*run)(cli *c, const struct cli_command *self, int argc, char **argv);
  const struct cli_command *ways; /* commands below this one, "look cam"; ends with a zeroed entry; NULL: none */
} cli_command;

int cli_models(cli *c, const cli_command *self, int argc, char **argv);
int cli_data(cli *c, const cli_command *self, int argc, char **argv);
int cli_pull(cli *c, const cli_command *self, int argc, char **argv);
int cli_import(cli *c, const cli_command *self, int argc, char **argv);
int cli_info(cli *c, const cli_command *self, int argc, char **argv);
int cli_info_diff(cli *c, char **names, const char *arch); /* info_diff.c */
int cli_train(cli *c, const cli_command *self, int argc, char **argv);
int cli_eval(cli *c, const cli_command *self, int argc, char **argv);
int cli_predict(cli *c, const cli_command *self, int argc, char **argv);
int cli_export(cli *c, const cli_command *self, int argc, char **argv);
int cli_embed(cli *c, const cli_command *self, int argc, char **argv);
int cli_attack(cli *c, const cli_command *self, int argc, char **argv);
int cli_robust(cli *c, const cli_command *self, int argc, char **argv);
int cli_check(cli *c, const cli_command *self, int argc, char **argv);
int cli_tricks(cli *c, const cli_command *self, int argc, char **argv);
int cli_sheet(cli *c, const cli_command *self, int argc, char **argv);
int cli_sort(cli *c, const cli_command *self, int argc, char **argv);
int cli_studio(cli *c, const cli_command *self, int argc, char **argv);
int cli_model(cli *c, const cli_command *self, int argc, char **argv);
extern const cli_command cli_model_ways[];
int cli_look(cli *c, const cli_command *self, int argc, char **argv);
extern const cli_command cli_look_ways[];
int cli_ideal(cli *c, const cli_command *self, int argc, char **argv);
int cli_bench(cli *c, const cli_command *self, int argc, char **argv);
int cli_compare(cli *c, const cli_command *self, int argc, char **argv);

/* ---- arguments (args.c) ------------------------------------------------------------------------ */

typedef enum cli_kind { CLI_BOOL, CLI_INT, CLI_SIZE, CLI_DOUBLE, CLI_STRING, CLI_CHOICE } cli_kind;

/* One flag; a table of them ends with a zeroed entry. `value` holds the default before parsing and the user's after. */
typedef struct cli_flag {
  const char *name; /* without the dashes */
  char letter;      /* 0: none */
  cli_kind kind;
  void *value;      /* bool *, int *, uint64_t *, double *, const char ** */
  const char *meta; /* the value's name in the usage */
  const char *help;
  double min, max;            /* numbers: allowed range, both 0: any; */
  const char *const *choices; /* CLI_CHOICE: NULL-terminated; value is an int *, the choice's index */
} cli_flag;

/* Before parsing: the rows of a table are flags as well, those in `only` (names with spaces between; NULL: all). What
 * is in the struct is the default, and the user's values are there after parsing. */
void cli_add_options(cli *c, void *options, const wk_option_table *table, const char *only);
/* After parsing: sets the flags that were given once more, in a struct that has been given other defaults since. */
void cli_apply_given(const cli *c, void *options, const wk_option_table *table);
/* Parses argv[1..] into `flags` and the common ones. Positional arguments are gathered at argv[0..]. Returns their
 * number, or -1 - exit_code when the command is over (--help, or a usage error that has been told). */
int cli_parse(cli *c, const cli_command *self, const cli_flag *flags, int least, int most, int argc, char **argv);
#define CLI_PARSE(n, ...)                                                                                              \
  int n = cli_parse(__VA_ARGS__);                                                                                      \
  if (n < 0)                                                                                                           \
    return -1 - n;
/* Was that flag on the command line? */
bool cli_was_given(const cli *c, const char *name);
/* "whisker train: MESSAGE" and how to get help; returns CLI_USAGE. */
int cli_usage_error(const cli_command *self, const char *fmt, ...) WK_PRINTF(2, 3);
/* The ways of a command that has some ("look cam"), a line each. help.c */
void cli_list_ways(const cli_command *self, FILE *f);
/* Runs the way that argv[1] names; `what`: what a word that names none is not. */
int cli_run_way(cli *c, const cli_command *self, void (*print_help)(const cli_command *self, FILE *f), const char *what,
                int argc, char **argv);

/* ---- talking (console.c) ----------------------------------------------------------------------- */

bool cli_console_open(cli *c);
void cli_console_close(cli *c);
/* Closes an open progress line, prints "whisker: MESSAGE" on stderr, returns the exit code for the error. */
int cli_fail(cli *c, const wk_error *err);
/* The answer, as text for people on stdout; nothing with --json. */
void cli_say(cli *c, const char *fmt, ...) WK_PRINTF(2, 3);
/* The same, as a cell of a CSV line: in quotes where it needs them. */
void cli_say_cell(cli *c, const char *text);
/* What is told on the way to it; nothing with -q either. */
void cli_note(cli *c, const char *fmt, ...) WK_PRINTF(2, 3);
/* Prints the object (and frees it) with --json; frees it otherwise. Returns CLI_DONE, or CLI_FAILED when stdout cannot
 * be written. */
int cli_print_json(cli *c, json_t *object);
/* The same for a report's text (taken; NULL: no memory). */
int cli_print_report(cli *c, char *json);
/* These return one of eight rotating buffers. */
const char *cli_count(uint64_t n);       /* 12,345 */
const char *cli_photos(uint64_t n);      /* "1 photo", "12,345 photos" */
const char *cli_bytes(uint64_t n);       /* 18.8 MB */
const char *cli_short(double n);         /* 4.65 M, 0.39 G */
const char *cli_percent(double share);   /* 98.8% */
const char *cli_interval(wk_interval i); /* "97.7-99.6" in percent */

/* ---- JSON (json.c) ----------------------------------------------------------------------------- */

json_t *cli_json_text(const char *s); /* bytes that are no UTF-8 become U+FFFD */
json_t *cli_json_number(double v);    /* null when not finite */
json_t *cli_json_labels(char *const *labels, int n);

/* The flag --srgb of commands that open a model. */
#define CLI_SRGB_HELP                                                                                                  \
  "bring colours to sRGB by the ICC profile in each photo that has one; default: as the model was trained"

/* ---- shared steps (common.c) ------------------------------------------------------------------- */

/* The run's session, with the folders, threads, seed and callbacks of this command line. It is the cli's. */
wk_status cli_session(wk_session **out, cli *c, wk_error *err);
extern const char *const cli_head_names[]; /* by wk_head_kind, NULL-terminated */
char *cli_join(const char *a, const char *b);
wk_status cli_no_memory(wk_error *err);
wk_status cli_error(wk_error *err, wk_status code, const char *fmt, ...) WK_PRINTF(3, 4);

#endif
