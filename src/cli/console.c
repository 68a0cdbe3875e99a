/* console.c - talking to people: progress with the time left, remarks, errors, numbers; and Ctrl-C, which asks the
 * library to stop cleanly the first time and ends the process the second. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "whisker/clock.h"

enum { BAR = 24, REMARKS_SHOWN = 12 };
#define SETTLED 1.5 /* seconds after which a speed says something of what is left: connections begin slowly */

struct cli_console {
  cli *owner;
  bool terminal;  /* stderr is one */
  bool line_open; /* a progress line waits for its end */
  bool moved;     /* the stage has gone on since it began */
  bool gone;      /* whoever reads standard output has gone away: a pipe to head, and that is no error */
  char stage[64];
  double began, drawn;
  uint64_t first, done, total;
  size_t remarks;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig) {
  (void)sig;
  if (interrupted)
    _exit(CLI_INTERRUPTED);
  interrupted = 1;
}

static char *rotating(void) {
  static char buffer[8][48];
  static unsigned turn;
  return buffer[turn++ & 7];
}

const char *cli_count(uint64_t n) {
  char digits[24], *out = rotating(), *o = out;
  int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
  for (int i = 0; i < len; i++) {
    if (i && (len - i) % 3 == 0)
      *o++ = ',';
    *o++ = digits[i];
  }
  *o = 0;
  return out;
}

const char *cli_photos(uint64_t n) {
  char count[48], *out = rotating();
  memcpy(count, cli_count(n), sizeof count);
  snprintf(out, 48, "%.40s photo%s", count, n == 1 ? "" : "s");
  return out;
}

const char *cli_bytes(uint64_t n) {
  char *out = rotating();
  double v = (double)n;
  if (v >= 1e9)
    snprintf(out, 48, "%.1f GB", v / 1e9);
  else if (v >= 1e6)
    snprintf(out, 48, "%.1f MB", v / 1e6);
  else if (v >= 1e3)
    snprintf(out, 48, "%.1f kB", v / 1e3);
  else
    snprintf(out, 48, "%.0f bytes", v);
  return out;
}

const char *cli_short(double n) {
  char *out = rotating();
  if (n >= 1e9)
    snprintf(out, 48, "%.2f G", n / 1e9);
  else if (n >= 1e6)
    snprintf(out, 48, "%.2f M", n / 1e6);
  else if (n >= 1e3)
    snprintf(out, 48, "%.1f k", n / 1e3);
  else
    snprintf(out, 48, "%.0f", n);
  return out;
}

const char *cli_percent(double share) {
  char *out = rotating();
  if (isfinite(share))
    snprintf(out, 48, "%.1f%%", 100 * share);
  else
    snprintf(out, 48, "-");
  return out;
}

const char *cli_interval(wk_interval i) {
  char *out = rotating();
  snprintf(out, 48, "%.1f\u2013%.1f", 100 * i.low, 100 * i.high);
  return out;
}

/* ---- progress ---------------------------------------------------------------------------------- */

/* A stage that is a file's name counts bytes; the others count photos, or steps when they say nothing. */
static bool counts_bytes(const char *stage) { return strchr(stage, '.') != NULL; }

static void time_left(char *out, size_t size, double seconds) {
  if (!isfinite(seconds) || seconds < 0.5)
    *out = 0;
  else if (seconds < 90)
    snprintf(out, size, "  %.0f s left", seconds);
  else
    snprintf(out, size, "  %.0f min left", ceil(seconds / 60));
}

/* Columns of the terminal that progress is drawn in, less the last, where some terminals go to the next line. */
static int columns(void) {
  struct winsize w = {0};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1 : 79;
}

static void draw(cli_console *k, double now) {
  double spent = now - k->began, rate = spent > 0.05 ? (double)(k->done - k->first) / spent : 0;
  bool bytes = counts_bytes(k->stage), over = k->total && k->done >= k->total;
  char left[32] = "", speed[64] = "", many[80];
  if (!over && k->total && rate > 0 && spent >= SETTLED)
    time_left(left, sizeof left, (double)(k->total - k->done) / rate);
  if (rate > 0 && bytes)
    snprintf(speed, sizeof speed, "  %s/s", cli_bytes((uint64_t)rate));
  else if (rate > 0 && !strcmp(k->stage, "features"))
    snprintf(speed, sizeof speed, "  %.0f photos/s", rate);
  if (bytes)
    snprintf(many, sizeof many, "%s of %s", cli_bytes(k->done), k->total ? cli_bytes(k->total) : "?");
  else
    snprintf(many, sizeof many, "%s/%s", cli_count(k->done), k->total ? cli_count(k->total) : "?");
  if (!k->terminal) {
    fprintf(stderr, "%-11s %s%s%s\n", k->stage, many, speed, left);
    return;
  }
  /* What does not fit into the terminal's line is left out: first the bar, then the speed, then the time. */
  const int width = columns();
  int used = (int)strlen(many) + (strlen(k->stage) > 11 ? (int)strlen(k->stage) : 11) + 2;
  if (used + (int)strlen(left) > width)
    *left = 0;
  used += (int)strlen(left);
  if (used + (int)strlen(speed) > width)
    *speed = 0;
  used += (int)strlen(speed);
  const int cells = used + BAR + 1 <= width ? BAR : 0;
  int full = k->total ? (int)((double)k->done / (double)k->total * cells) : 0;
  char bar[BAR * 3 + 2] = "";
  for (int i = 0; i < cells; i++)
    strcat(bar, i < full ? "█" : "·");
  fprintf(stderr, "\r\033[K%-11s %s%s%s%s%s", k->stage, bar, cells ? " " : "", many, speed, left);
  fflush(stderr);
  k->line_open = true;
}

static void close_line(cli_console *k) {
  if (k->line_open)
    fputc('\n', stderr);
  k->line_open = false;
}

/* Before an answer: a stage that ended before its last step leaves no half a bar behind. */
static void clear_line(cli_console *k) {
  if (k->line_open)
    fputs("\r\033[K", stderr);
  k->line_open = false;
}

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  cli_console *k = user;
  if (k->owner->quiet)
    return;
  double now = wk_clock_seconds();
  bool fresh = strcmp(k->stage, stage) != 0 || done < k->done || total != k->total;
  if (fresh) {
    close_line(k);
    snprintf(k->stage, sizeof k->stage, "%s", stage);
    k->began = k->drawn = now;
    k->first = done;
    k->moved = false;
  }
  if (!k->moved && done > k->first) { /* what was waited for until then says nothing of the speed */
    k->moved = true;
    k->began = now;
    k->first = done;
  }
  k->done = done;
  k->total = total;
  bool over = total && done >= total;
  if (k->terminal ? (fresh || over || now - k->drawn > 0.1) : now - k->drawn > 3) {
    draw(k, now);
    k->drawn = now;
    if (over)
      close_line(k);
  }
}

static void on_warning(void *user, const char *message) {
  cli_console *k = user;
  json_array_append_new(k->owner->warnings, cli_json_text(message));
  if (k->owner->quiet)
    return;
  k->remarks++;
  if (k->remarks > REMARKS_SHOWN && !k->owner->verbose) {
    if (k->remarks == REMARKS_SHOWN + 1) {
      close_line(k);
      fputs("  ! more remarks of this kind follow; -v shows them all\n", stderr);
    }
    return;
  }
  clear_line(k);
  fprintf(stderr, "  ! %s\n", message);
}

static bool on_cancel(void *user) {
  (void)user;
  return interrupted != 0;
}

/* ---- life, errors, results --------------------------------------------------------------------- */

bool cli_console_open(cli *c) {
  c->console = calloc(1, sizeof *c->console);
  c->warnings = json_array();
  if (!c->console || !c->warnings)
    return false;
  c->console->owner = c;
  /* A dumb terminal cannot take back what was written: it gets lines, as a file does. */
  const char *term = getenv("TERM");
  c->console->terminal = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
  c->ctx.progress = on_progress;
  c->ctx.warn = on_warning;
  c->ctx.cancelled = on_cancel;
  c->ctx.user = c->console;
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  /* A reader that goes away (a pipe to head) shows as a write error, a full disk quota as EFBIG. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  return true;
}

void cli_console_close(cli *c) {
  if (c->console)
    close_line(c->console);
  free(c->console);
  json_decref(c->warnings);
  c->console = NULL;
  c->warnings = NULL;
}

int cli_fail(cli *c, const wk_error *err) {
  close_line(c->console);
  if (err->code == WK_ERR_CANCELLED) {
    fputs("whisker: stopped; what was finished is kept, so trying again is quick\n", stderr);
    return CLI_INTERRUPTED;
  }
  fprintf(stderr, "whisker: %s\n", err->message);
  return CLI_FAILED;
}

/* Has the reader gone away? What it did not want is not missed: the job goes on, and ends as it would have. */
static void note_reader(cli *c) {
  errno = 0;
  if (fflush(stdout) && errno == EPIPE) {
    c->console->gone = true;
    clearerr(stdout);
  }
}

void cli_say(cli *c, const char *fmt, ...) {
  if (c->json)
    return;
  clear_line(c->console);
  va_list args;
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  note_reader(c);
}

void cli_note(cli *c, const char *fmt, ...) {
  if (c->json || c->quiet)
    return;
  clear_line(c->console);
  va_list args;
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  note_reader(c);
}

/* What was printed has to have arrived, or its reader did not want all of it. */
static int end_output(cli *c, int rc) {
  if (errno == EPIPE || c->console->gone)
    return CLI_DONE;
  errno = 0;
  if (fflush(stdout) || ferror(stdout))
    rc = errno == EPIPE ? CLI_DONE : CLI_FAILED;
  if (rc != CLI_DONE)
    fputs("whisker: the result could not be written to standard output\n", stderr);
  return rc;
}

int cli_print_json(cli *c, json_t *object) {
  int rc = CLI_DONE;
  close_line(c->console);
  errno = 0;
  if (c->json &&
      (!object || json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) || putchar('\n') == EOF))
    rc = CLI_FAILED;
  rc = end_output(c, rc);
  json_decref(object);
  return rc;
}

int cli_print_report(cli *c, char *json) {
  int rc = CLI_DONE;
  close_line(c->console);
  errno = 0;
  if (!json || (c->json && (fputs(json, stdout) == EOF || putchar('\n') == EOF)))
    rc = CLI_FAILED;
  rc = end_output(c, rc);
  wk_free(json);
  return rc;
}
