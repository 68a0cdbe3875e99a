/* completion.c - completion of commands, flags and the values that are names, for bash, zsh and fish. */
#include <string.h>

#include "pages.h"

/* ---- bash -------------------------------------------------------------------------------------- */

static void bash_values(FILE *f, const cli_command *self, const cli_listed *l) {
  if (l->row.type != WK_OPTION_CHOICE)
    return;
  fprintf(f, "    '%s --%s')\n      COMPREPLY=($(compgen -W '", self->name, cli_flag_name(l));
  for (int i = 0; l->row.choices[i]; i++)
    fprintf(f, "%s%s", i ? " " : "", l->row.choices[i]);
  fputs("' -- \"$cur\"))\n      return\n      ;;\n", f);
}

static void bash_flags(FILE *f, const cli_command *self, const cli_flag_list *list) {
  fprintf(f, "    '%s')\n      flags='", self->name);
  for (int i = 0; i < list->count; i++)
    fprintf(f, "%s--%s", i ? " " : "", cli_flag_name(&list->flag[i]));
  fputs("'\n      ;;\n", f);
}

static void bash_begin(cli_page page, FILE *f, const cli_command *commands, int count) {
  if (page == CLI_PAGE_BASH_FLAGS) {
    fputs("  esac\n  case $command in\n", f);
    return;
  }
  fputs("# bash completion for whisker; made from the table of its options when it was built.\n"
        "_whisker() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} "
        "flags=\n  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W 'help",
        f);
  for (int i = 0; i < count; i++)
    fprintf(f, " %s", commands[i].name);
  fputs("' -- \"$cur\"))\n    return\n  fi\n", f);
  for (int i = 0; i < count; i++) {
    if (!commands[i].ways)
      continue;
    fprintf(f, "  if [[ $command == %s ]]; then\n    if ((COMP_CWORD == 2)); then\n      COMPREPLY=($(compgen -W '",
            commands[i].name);
    for (const cli_command *way = commands[i].ways; way->name; way++)
      fprintf(f, "%s%s", way == commands[i].ways ? "" : " ", strrchr(way->name, ' ') + 1);
    fputs("' -- \"$cur\"))\n      return\n    fi\n    command+=\" ${COMP_WORDS[2]}\"\n  fi\n", f);
  }
  fputs("  case \"$command $prev\" in\n", f);
}

static void bash_end(cli_page page, FILE *f) {
  if (page == CLI_PAGE_BASH_FLAGS)
    fputs("  esac\n  if [[ $cur == -* ]]; then\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n  else\n"
          "    COMPREPLY=($(compgen -f -- \"$cur\"))\n  fi\n}\ncomplete -o filenames -F _whisker whisker\n",
          f);
}

/* ---- zsh --------------------------------------------------------------------------------------- */

/* A description in brackets within single quotes. */
static void zsh_text(FILE *f, const char *text) {
  for (; *text; text++)
    if (*text == '\'')
      fputs("'\\''", f);
    else if (strchr("[]:\\", *text))
      fprintf(f, "\\%c", *text);
    else
      fputc(*text, f);
}

static void zsh_flag(FILE *f, const cli_listed *l) {
  const wk_option *row = &l->row;
  const char *name = cli_flag_name(l), *value = row->placeholder ? "=" : "";
  fputs(" \\\n        ", f);
  if (row->letter)
    fprintf(f, "'(-%c --%s)'{-%c,--%s%s}'[", row->letter, name, row->letter, name, value);
  else
    fprintf(f, "'--%s%s[", name, value);
  zsh_text(f, row->help);
  fputc(']', f);
  if (row->placeholder) {
    fputc(':', f);
    zsh_text(f, row->placeholder);
    fputc(':', f);
    if (row->type == WK_OPTION_CHOICE) {
      fputc('(', f);
      for (int i = 0; row->choices[i]; i++)
        fprintf(f, "%s%s", i ? " " : "", row->choices[i]);
      fputc(')', f);
    } else if (row->type == WK_OPTION_TEXT) {
      fputs("_files", f);
    }
  }
  fputc('\'', f);
}

static void zsh_command(FILE *f, const cli_command *self, const cli_flag_list *list) {
  fprintf(f, "    '%s')\n      _arguments", self->name);
  for (int i = 0; i < list->count; i++)
    zsh_flag(f, &list->flag[i]);
  fputs(" \\\n        '*:file:_files'\n      ;;\n", f);
}

static void zsh_names(FILE *f, const cli_command *command, int count, const char *skip) {
  for (int i = 0; i < count; i++) {
    fprintf(f, " '%s:", command[i].name + strlen(skip));
    zsh_text(f, command[i].summary);
    fputc('\'', f);
  }
}

static void zsh_begin(FILE *f, const cli_command *commands, int count) {
  fputs("#compdef whisker\n# made from the table of whisker's options when it was built\n_whisker() {\n"
        "  local command=$words[2]\n  if ((CURRENT == 2)); then\n    local -a commands=(",
        f);
  zsh_names(f, commands, count, "");
  fputs(")\n    _describe command commands\n    return\n  fi\n", f);
  for (int i = 0; i < count; i++) {
    if (!commands[i].ways)
      continue;
    int ways = 0;
    while (commands[i].ways[ways].name)
      ways++;
    char skip[64];
    snprintf(skip, sizeof skip, "%s ", commands[i].name);
    fprintf(f, "  if [[ $command == %s ]]; then\n    if ((CURRENT == 3)); then\n      local -a ways=(",
            commands[i].name);
    zsh_names(f, commands[i].ways, ways, skip);
    fputs(")\n      _describe way ways\n      return\n    fi\n    command+=\" $words[3]\"\n  fi\n", f);
  }
  fputs("  case $command in\n", f);
}

/* ---- fish -------------------------------------------------------------------------------------- */

static void fish_text(FILE *f, const char *text) {
  for (; *text; text++)
    fprintf(f, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
}

/* "look cam": both words have been typed. */
static void fish_when(FILE *f, const char *name) {
  const char *way = strrchr(name, ' ');
  const int n = way ? (int)(way - name) : (int)strlen(name);
  fprintf(f, "complete -c whisker -n '__fish_seen_subcommand_from %.*s", n, name);
  if (way)
    fprintf(f, "; and __fish_seen_subcommand_from %s", way + 1);
  fputc('\'', f);
}

static void fish_flag(FILE *f, const cli_command *self, const cli_listed *l) {
  const wk_option *row = &l->row;
  fish_when(f, self->name);
  fprintf(f, " -l %s", cli_flag_name(l));
  if (row->letter)
    fprintf(f, " -s %c", row->letter);
  if (row->type == WK_OPTION_CHOICE) {
    fputs(" -x -a '", f);
    for (int i = 0; row->choices[i]; i++)
      fprintf(f, "%s%s", i ? " " : "", row->choices[i]);
    fputc('\'', f);
  } else if (row->placeholder) {
    fputs(row->type == WK_OPTION_TEXT ? " -r" : " -x", f);
  }
  fputs(" -d '", f);
  fish_text(f, row->help);
  fputs("'\n", f);
}

static void fish_begin(FILE *f, const cli_command *commands, int count) {
  fputs("# fish completion for whisker; made from the table of its options when it was built.\n", f);
  for (int i = 0; i < count; i++) {
    fprintf(f, "complete -c whisker -n __fish_use_subcommand -f -a %s -d '", commands[i].name);
    fish_text(f, commands[i].summary);
    fputs("'\n", f);
    for (const cli_command *way = commands[i].ways; way && way->name; way++) {
      fish_when(f, commands[i].name);
      fprintf(f, " -f -a %s -d '", strrchr(way->name, ' ') + 1);
      fish_text(f, way->summary);
      fputs("'\n", f);
    }
  }
}

/* ---- any --------------------------------------------------------------------------------------- */

void cli_begin_completion(cli_page page, FILE *f, const cli_command *commands, int count) {
  if (page == CLI_PAGE_ZSH)
    zsh_begin(f, commands, count);
  else if (page == CLI_PAGE_FISH)
    fish_begin(f, commands, count);
  else
    bash_begin(page, f, commands, count);
}

void cli_end_completion(cli_page page, FILE *f) {
  if (page == CLI_PAGE_ZSH)
    fputs("  esac\n}\n_whisker \"$@\"\n", f);
  else if (page != CLI_PAGE_FISH)
    bash_end(page, f);
}

void cli_write_completion(cli *c, const cli_command *self, const cli_flag_list *list) {
  FILE *f = c->page_file;
  if (c->page == CLI_PAGE_BASH_FLAGS)
    bash_flags(f, self, list);
  else if (c->page == CLI_PAGE_ZSH)
    zsh_command(f, self, list);
  else
    for (int i = 0; i < list->count; i++)
      if (c->page == CLI_PAGE_FISH)
        fish_flag(f, self, &list->flag[i]);
      else
        bash_values(f, self, &list->flag[i]);
}
