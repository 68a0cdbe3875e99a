/* pages.h - what is written about the commands, all of it from their flags' rows: help, the manual, completion for
 * shells. */
#ifndef WK_CLI_PAGES_H
#define WK_CLI_PAGES_H

#include "cli.h"

/* One flag of a command, whether it is a variable's or of a table. */
typedef struct cli_listed {
  wk_option row;
  void *at;
  const wk_option_table *table; /* NULL: a variable's */
  bool common;                  /* every command has it */
} cli_listed;

typedef struct cli_flag_list {
  cli_listed flag[CLI_MOST_FLAGS];
  int count;
} cli_flag_list;

/* The page that c->page says, to c->page_file (NULL: standard output). */
void cli_write_page(cli *c, const cli_command *self, const cli_flag_list *list);
void cli_write_help(cli *c, const cli_command *self, const cli_flag_list *list);
void cli_write_completion(cli *c, const cli_command *self, const cli_flag_list *list);

/* "--no-l2-sp" of a flag that is on unless it is turned off, else "--epochs"; without the dashes, in a static buffer.
 */
const char *cli_flag_name(const cli_listed *f);
/* The default: "12", "the optimiser's own", "12; from scratch: 30"; "" where there is nothing to say. free it. */
char *cli_default_text(const cli *c, const cli_listed *f);
/* "sgd, adam", "at least 1"; "": anything. free it. */
char *cli_bounds_text(const cli_listed *f);

/* `whisker help --pages FOLDER`: the manual and the completions, as they are installed. */
int cli_write_pages(cli *c, const cli_command *commands, int count, const char *folder);
/* `whisker help --list`: a line for each flag of each command, with tabs between: command, --flag, letter or -, old
 * names or -. */
int cli_write_list(cli *c, const cli_command *commands, int count);
void cli_begin_completion(cli_page page, FILE *f, const cli_command *commands, int count);
void cli_end_completion(cli_page page, FILE *f);

/* Has the command write its page; commands of several ways have each write its own. */
void cli_page_of(cli *c, const cli_command *command, cli_page page, FILE *f);

#endif
