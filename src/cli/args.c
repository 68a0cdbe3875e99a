/* args.c - flags from tables: parsing, checking and --help come from the same rows, so they cannot disagree. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int cli_usage_error(const cli_command *self, const char *fmt, ...) {
  fprintf(stderr, "whisker %s: ", self->name);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fprintf(stderr, " (`whisker %s --help` shows the flags)\n", self->name);
  return CLI_USAGE;
}

static const cli_flag *find_flag(const cli_flag *flags, const char *name, size_t len) {
  for (const cli_flag *f = flags; f && f->name; f++)
    if (strlen(f->name) == len && !strncmp(f->name, name, len))
      return f;
  return NULL;
}

/* Empty where the program chooses. */
static void default_text(char *out, size_t size, const cli_flag *f) {
  *out = 0;
  switch (f->kind) {
  case CLI_BOOL:
    break;
  case CLI_INT:
    snprintf(out, size, "%d", *(int *)f->value);
    break;
  case CLI_SIZE:
    snprintf(out, size, "%llu", (unsigned long long)*(uint64_t *)f->value);
    break;
  case CLI_DOUBLE:
    if (*(double *)f->value == *(double *)f->value)
      snprintf(out, size, "%g", *(double *)f->value);
    break;
  case CLI_STRING:
    if (*(const char **)f->value)
      snprintf(out, size, "%s", *(const char **)f->value);
    break;
  case CLI_CHOICE:
    snprintf(out, size, "%s", f->choices[*(int *)f->value]);
    break;
  }
}

static void print_default(const cli_flag *f, const cli *c) {
  const cli_flag *other = find_flag(c->other, f->name, strlen(f->name));
  char text[256], other_text[256] = "";
  default_text(text, sizeof text, f);
  if (other)
    default_text(other_text, sizeof other_text, other);
  if (*other_text && strcmp(text, other_text) != 0)
    printf(" [%s; %s: %s]", *text ? text : "chosen", c->other_when, other_text);
  else if (*text)
    printf(" [%s]", text);
}

static void print_flags(const cli_flag *flags, const cli *c) {
  for (const cli_flag *f = flags; f->name; f++) {
    char left[96];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", f->letter ? "-" : "", f->letter ? f->letter : ' ',
             f->letter ? ", " : "   ", f->name, f->meta ? " " : "", f->meta ? f->meta : "");
    printf("  %-28s %s", left, f->help);
    if (f->kind == CLI_CHOICE) {
      fputs(" (", stdout);
      for (int i = 0; f->choices[i]; i++)
        printf("%s%s", i ? ", " : "", f->choices[i]);
      putchar(')');
    }
    print_default(f, c);
    putchar('\n');
  }
}

static void print_help(const cli_command *self, const cli_flag *flags, const cli_flag *common, const cli *c) {
  printf("usage: whisker %s %s\n\n%s\n", self->name, self->usage, self->summary);
  if (flags && flags->name) {
    puts("\nflags [default]:");
    print_flags(flags, c);
  }
  puts("\nflags of every command:");
  print_flags(common, c);
  puts("\nexamples:");
  for (int i = 0; i < 2; i++)
    printf("  %s\n", self->examples[i]);
}

/* 0, or a message for the user in `why`. */
static int set_value(const cli_flag *f, const char *text, char *why, size_t size) {
  char *end;
  errno = 0;
  double v = 0;
  switch (f->kind) {
  case CLI_BOOL:
    *(bool *)f->value = true;
    return 0;
  case CLI_STRING:
    *(const char **)f->value = text;
    return 0;
  case CLI_CHOICE:
    for (int i = 0; f->choices[i]; i++)
      if (!strcmp(f->choices[i], text)) {
        *(int *)f->value = i;
        return 0;
      }
    snprintf(why, size, "--%s: '%.100s' is none of its choices", f->name, text);
    return -1;
  case CLI_INT: {
    long n = strtol(text, &end, 10);
    v = (double)n;
    if (!*text || *end || errno || n < -2147483647L || n > 2147483647L)
      break;
    if ((f->min || f->max) && (v < f->min || v > f->max))
      break;
    *(int *)f->value = (int)n;
    return 0;
  }
  case CLI_SIZE: {
    unsigned long long n = strtoull(text, &end, 10);
    if (!*text || *end || errno || *text == '-')
      break;
    *(uint64_t *)f->value = n;
    return 0;
  }
  case CLI_DOUBLE:
    v = strtod(text, &end);
    if (!*text || *end || errno || !(v - v == 0))
      break;
    if ((f->min || f->max) && (v < f->min || v > f->max))
      break;
    *(double *)f->value = v;
    return 0;
  }
  if (f->min || f->max)
    snprintf(why, size, "--%s takes a number from %g to %g, not '%.100s'", f->name, f->min, f->max, text);
  else
    snprintf(why, size, "--%s takes a number, not '%.100s'", f->name, text);
  return -1;
}

static const cli_flag *find_letter(const cli_flag *flags, char letter) {
  for (const cli_flag *f = flags; f && f->name; f++)
    if (f->letter == letter)
      return f;
  return NULL;
}

bool cli_was_given(const cli *c, const char *name) {
  for (int i = 0; i < c->given_count; i++)
    if (!strcmp(c->given[i], name))
      return true;
  return false;
}

static void copy_value(const cli_flag *to, const cli_flag *from) {
  static const size_t size[] = {
      [CLI_BOOL] = sizeof(bool),     [CLI_INT] = sizeof(int),       [CLI_SIZE] = sizeof(uint64_t),
      [CLI_DOUBLE] = sizeof(double), [CLI_STRING] = sizeof(char *), [CLI_CHOICE] = sizeof(int)};
  memcpy(to->value, from->value, size[to->kind]);
}

void cli_take_other(const cli *c, const cli_flag *flags) {
  for (const cli_flag *o = c->other; o && o->name; o++) {
    const cli_flag *f = find_flag(flags, o->name, strlen(o->name));
    if (f && !cli_was_given(c, f->name))
      copy_value(f, o);
  }
}

int cli_parse(cli *c, const cli_command *self, const cli_flag *flags, int least, int most, int argc, char **argv) {
  bool help = false, no_cache = false;
  const char *cache = NULL;
  const cli_flag common[] = {
      {"threads", 'j', CLI_INT, &c->ctx.threads, "N", "threads; 0: one a core", 0, 4096, NULL},
      {"seed", 0, CLI_SIZE, &c->ctx.seed, "N", "every random choice comes from it", 0, 0, NULL},
      {"cache", 0, CLI_STRING, &cache, "DIR", "keep features here instead of in WHISKER_HOME", 0, 0, NULL},
      {"no-cache", 0, CLI_BOOL, &no_cache, NULL, "neither use kept features nor keep any", 0, 0, NULL},
      {"json", 0, CLI_BOOL, &c->json, NULL, "print one JSON object on standard output, nothing else", 0, 0, NULL},
      {"quiet", 'q', CLI_BOOL, &c->quiet, NULL, "no progress and no remarks", 0, 0, NULL},
      {"verbose", 'v', CLI_BOOL, &c->verbose, NULL, "every remark in full", 0, 0, NULL},
      {"help", 'h', CLI_BOOL, &help, NULL, "this text", 0, 0, NULL},
      {0}};
  static const cli_flag none[] = {{0}};
  flags = flags ? flags : none;
  /* --help shows the defaults, so it is looked for before anything is set. */
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      print_help(self, flags, common, c);
      return -1 - CLI_DONE;
    }
  int n = 0;
  bool only_names = false;
  for (int i = 1; i < argc; i++) {
    char *a = argv[i];
    if (only_names || a[0] != '-' || !a[1]) {
      argv[n++] = a;
      continue;
    }
    if (!strcmp(a, "--")) {
      only_names = true;
      continue;
    }
    const cli_flag *f;
    const char *value = NULL;
    if (a[1] == '-') {
      size_t len = strcspn(a + 2, "=");
      f = find_flag(flags, a + 2, len);
      f = f ? f : find_flag(common, a + 2, len);
      value = a[2 + len] == '=' ? a + 3 + len : NULL;
    } else {
      f = find_letter(flags, a[1]);
      f = f ? f : find_letter(common, a[1]);
      value = a[2] ? a + 2 : NULL;
    }
    if (!f)
      return -1 - cli_usage_error(self, "no flag %s", a);
    if (f->kind == CLI_BOOL && value)
      return -1 - cli_usage_error(self, "--%s takes no value", f->name);
    if (f->kind != CLI_BOOL && !value && ++i >= argc)
      return -1 - cli_usage_error(self, "--%s needs a value (%s)", f->name, f->meta);
    char why[256];
    if (set_value(f, value ? value : argv[i], why, sizeof why))
      return -1 - cli_usage_error(self, "%s", why);
    if (!cli_was_given(c, f->name) && c->given_count < (int)(sizeof c->given / sizeof *c->given))
      c->given[c->given_count++] = f->name;
  }
  if (n < least)
    return -1 - cli_usage_error(self, "something is missing: whisker %s %s", self->name, self->usage);
  if (n > most)
    return -1 - cli_usage_error(self, "'%s' is one argument too many", argv[most]);
  if (no_cache || cache) {
    free(c->features);
    c->features = no_cache ? NULL : cli_join(cache, "");
    if (!no_cache && !c->features) {
      fputs("whisker: out of memory\n", stderr);
      return -1 - CLI_FAILED;
    }
  }
  return n;
}
