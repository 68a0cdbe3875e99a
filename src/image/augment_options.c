/* augment_options.c - the options of augmentation: defaults, checks, and the text they are written in (timm's names).
 */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/augment.h"

void wk_augment_init(wk_augment *a) {
  *a = (wk_augment){.scale = {0.08, 1}, .ratio = {3.0 / 4, 4.0 / 3}, .blur_sigma = {0.1, 2}, .erase_count = 1};
}

bool wk_augment_is_off(const wk_augment *a) {
  return !a->crop && !(a->hflip > 0) && !(a->vflip > 0) && !(a->rotate > 0) && a->rand_ops < 1 && !(a->jitter > 0) &&
         !(a->grey > 0) && !(a->blur > 0) && !(a->erase > 0);
}

wk_status wk_augment_validate(const wk_augment *a, wk_error *err) {
  const struct {
    const char *name;
    double value, low, high;
  } range[] = {
      {"hflip", a->hflip, 0, 1},
      {"vflip", a->vflip, 0, 1},
      {"rotate", a->rotate, 0, 180},
      {"the magnitude of aa", a->rand_magnitude, 0, 10},
      {"the number of operations of aa", a->rand_ops, 0, 100},
      {"color-jitter-prob", a->jitter, 0, 1},
      {"color-jitter's brightness", a->brightness, 0, 100},
      {"color-jitter's contrast", a->contrast, 0, 100},
      {"color-jitter's saturation", a->saturation, 0, 100},
      {"color-jitter's hue", a->hue, 0, 0.5},
      {"grayscale-prob", a->grey, 0, 1},
      {"gaussian-blur-prob", a->blur, 0, 1},
      {"reprob", a->erase, 0, 1},
      {"recount", a->erase_count, 1, 100},
      {"scale's first number", a->scale[0], 1e-6, 1},
      {"scale's second number", a->scale[1], a->scale[0], 1},
      {"ratio's first number", a->ratio[0], 1e-3, 1e3},
      {"ratio's second number", a->ratio[1], a->ratio[0], 1e3},
      {"gaussian-blur-sigma's first number", a->blur_sigma[0], 1e-3, 100},
      {"gaussian-blur-sigma's second number", a->blur_sigma[1], a->blur_sigma[0], 100},
  };
  for (size_t i = 0; i < sizeof range / sizeof *range; i++)
    if (!(range[i].value >= range[i].low && range[i].value <= range[i].high))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "augmentation: %s is %g; it must be between %g and %g", range[i].name,
                     range[i].value, range[i].low, range[i].high);
  if (!(a->rand_deviation >= 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "augmentation: the deviation of aa is %g; it must be 0 or more",
                   a->rand_deviation);
  if ((unsigned)a->erase_mode > WK_ERASE_PIXEL)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "augmentation: there is no erasing mode number %d", (int)a->erase_mode);
  return WK_OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Numbers with a point whatever the locale of the program is: "0.5:1" into at most n; returns how many, -1: no numbers.
 */
static int read_numbers(double *out, int n, const char *text) {
  if (text[strspn(text, "0123456789.:")])
    return -1;
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c)
    return -1;
  int count = 0;
  for (const char *at = text; count < n;) {
    char *end;
    out[count] = strtod_l(at, &end, c);
    if (end == at || (*end && *end != ':')) {
      count = -1;
      break;
    }
    count++;
    if (!*end)
      break;
    at = end + 1;
    if (count == n)
      count = -1; /* more than were asked for */
    if (count < 0)
      break;
  }
  freelocale(c);
  return count;
}

static wk_status bad_value(const char *name, const char *value, const char *expected, wk_error *err) {
  return WK_FAIL(err, WK_ERR_ARGUMENT, "augmentation: %s is \"%s\"; %s was expected", name, value, expected);
}

/* timm's "rand-m9-n2-mstd0.5-inc1": magnitude, number of operations, deviation, increasing. */
static wk_status read_policy(wk_augment *a, const char *value, wk_error *err) {
  static const char expected[] = "\"none\", or \"rand\" with parts such as -m9 (magnitude), -n2 (operations), -mstd0.5 "
                                 "(deviation), -inc1 (increasing)";
  if (strcmp(value, "none") == 0 || !*value) {
    a->rand_ops = 0;
    return WK_OK;
  }
  char text[100];
  if (strlen(value) >= sizeof text || strncmp(value, "rand", 4) != 0 || (value[4] && value[4] != '-'))
    return bad_value("aa", value, expected, err);
  strcpy(text, value);
  a->rand_ops = 2, a->rand_magnitude = 10, a->rand_deviation = 0, a->rand_increasing = false;
  char *state = NULL;
  strtok_r(text, "-", &state);
  for (char *part = strtok_r(NULL, "-", &state); part; part = strtok_r(NULL, "-", &state)) {
    size_t letters = strcspn(part, "0123456789.");
    double v = 0;
    bool infinite = strcmp(part, "mstdinf") == 0;
    if (!infinite && read_numbers(&v, 1, part + letters) != 1)
      return bad_value("aa", value, expected, err);
    if (letters == 1 && part[0] == 'm')
      a->rand_magnitude = v;
    else if (letters == 1 && part[0] == 'n' && v <= 100)
      a->rand_ops = (int)v;
    else if (infinite || (letters == 4 && strncmp(part, "mstd", 4) == 0))
      a->rand_deviation = infinite || v >= 100 ? INFINITY : v;
    else if (letters == 3 && strncmp(part, "inc", 3) == 0)
      a->rand_increasing = v != 0;
    else
      return bad_value("aa", value, expected, err);
  }
  return WK_OK;
}

static wk_status read_jitter(wk_augment *a, const char *value, wk_error *err) {
  double v[4] = {0};
  int n = read_numbers(v, 4, value);
  if (n != 1 && n < 3)
    return bad_value("color-jitter", value, "one strength such as 0.4, or brightness:contrast:saturation[:hue]", err);
  a->brightness = v[0], a->contrast = n == 1 ? v[0] : v[1], a->saturation = n == 1 ? v[0] : v[2], a->hue = v[3];
  bool any = v[0] > 0 || v[1] > 0 || v[2] > 0 || v[3] > 0;
  a->jitter = !any ? 0 : a->jitter > 0 ? a->jitter : 1;
  return WK_OK;
}

static wk_status read_mode(wk_augment *a, const char *value, wk_error *err) {
  static const char *const mode[] = {"const", "rand", "pixel"};
  for (int i = 0; i < 3; i++)
    if (strcmp(value, mode[i]) == 0) {
      a->erase_mode = (wk_erase_mode)i;
      return WK_OK;
    }
  return bad_value("remode", value, "const, rand or pixel", err);
}

wk_status wk_augment_set(wk_augment *a, const char *name, const char *value, wk_error *err) {
  if (!a || !name || !value)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no augmentation, option or value");
  if (strcmp(name, "aa") == 0)
    return read_policy(a, value, err);
  if (strcmp(name, "color-jitter") == 0)
    return read_jitter(a, value, err);
  if (strcmp(name, "remode") == 0)
    return read_mode(a, value, err);
  const struct {
    const char *name;
    double *to;
    int numbers;
  } option[] = {{"scale", a->scale, 2},
                {"ratio", a->ratio, 2},
                {"hflip", &a->hflip, 1},
                {"vflip", &a->vflip, 1},
                {"rotate", &a->rotate, 1},
                {"color-jitter-prob", &a->jitter, 1},
                {"grayscale-prob", &a->grey, 1},
                {"gaussian-blur-prob", &a->blur, 1},
                {"gaussian-blur-sigma", a->blur_sigma, 2},
                {"reprob", &a->erase, 1}};
  double v[2];
  for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
    if (strcmp(name, option[i].name) != 0)
      continue;
    if (read_numbers(v, option[i].numbers, value) != option[i].numbers)
      return bad_value(name, value, option[i].numbers == 2 ? "two numbers such as 0.5:1" : "a number such as 0.5", err);
    memcpy(option[i].to, v, (size_t)option[i].numbers * sizeof *v);
    if (i < 2)
      a->crop = true;
    return WK_OK;
  }
  if (strcmp(name, "recount") == 0) {
    if (read_numbers(v, 1, value) != 1 || v[0] > 100)
      return bad_value(name, value, "a number such as 1", err);
    a->erase_count = (int)v[0];
    return WK_OK;
  }
  return WK_FAIL(
      err, WK_ERR_ARGUMENT,
      "augmentation: there is no option \"%s\"; there are scale, ratio, hflip, vflip, rotate, aa, color-jitter, "
      "color-jitter-prob, grayscale-prob, gaussian-blur-prob, gaussian-blur-sigma, reprob, remode and recount",
      name);
}

static bool set_preset(wk_augment *a, const char *name) {
  if (strcmp(name, "none") == 0)
    return true;
  if (strcmp(name, "light") == 0) {
    a->crop = true, a->scale[0] = 0.5, a->hflip = 0.5;
    return true;
  }
  if (strcmp(name, "standard") == 0) {
    a->crop = true, a->hflip = 0.5, a->jitter = 1, a->brightness = a->contrast = a->saturation = 0.4;
    return true;
  }
  if (strcmp(name, "strong") == 0) {
    a->crop = true, a->hflip = 0.5, a->rand_ops = 2, a->rand_magnitude = 9, a->rand_deviation = 0.5;
    a->rand_increasing = true, a->erase = 0.25, a->erase_mode = WK_ERASE_PIXEL;
    return true;
  }
  return false;
}

wk_status wk_augment_parse(wk_augment *a, const char *text, wk_error *err) {
  if (!a || !text)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no augmentation, or no text to read");
  wk_augment made;
  wk_augment_init(&made);
  char *copy = wk_strdup(text), *state = NULL;
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to read the augmentation");
  wk_status st = WK_OK;
  bool first = true;
  for (char *word = strtok_r(copy, " ,\t\n", &state); word; word = strtok_r(NULL, " ,\t\n", &state), first = false) {
    char *value = strchr(word, '=');
    if (!value) {
      WK_FAIL_IF(!first || !set_preset(&made, word), err, WK_ERR_ARGUMENT,
                 "augmentation: \"%s\" is not understood; first a preset (none, light, standard, strong), then options "
                 "such as hflip=0.5",
                 word);
      continue;
    }
    *value++ = 0;
    WK_TRY(wk_augment_set(&made, word, value, err));
  }
  WK_TRY(wk_augment_validate(&made, err));
  *a = made;
done:
  wk_free(copy);
  return st;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* The shortest decimal that reads back as the same number, with a point and no exponent. */
static void add_number(wk_text *t, double v) {
  char text[64];
  for (int digits = 0; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*f", digits, v);
    for (char *c = text; *c; c++)
      if (*c == ',')
        *c = '.';
    double back;
    if (read_numbers(&back, 1, text) == 1 && back == v)
      break;
  }
  wk_text_add(t, "%s", text);
}

static void add_option(wk_text *t, const char *name, const double *v, int n) {
  wk_text_add(t, "%s%s=", t->len ? " " : "", name);
  for (int i = 0; i < n; i++) {
    if (i)
      wk_text_add(t, ":");
    add_number(t, v[i]);
  }
}

char *wk_augment_text(const wk_augment *a) {
  static const char *const mode[] = {"const", "rand", "pixel"};
  wk_text t = {0};
  if (a->crop) {
    add_option(&t, "scale", a->scale, 2);
    wk_augment usual;
    wk_augment_init(&usual);
    if (a->ratio[0] != usual.ratio[0] || a->ratio[1] != usual.ratio[1])
      add_option(&t, "ratio", a->ratio, 2);
  }
  if (a->hflip > 0)
    add_option(&t, "hflip", &a->hflip, 1);
  if (a->vflip > 0)
    add_option(&t, "vflip", &a->vflip, 1);
  if (a->rotate > 0)
    add_option(&t, "rotate", &a->rotate, 1);
  if (a->rand_ops > 0) {
    wk_text_add(&t, "%saa=rand-n%d-m", t.len ? " " : "", a->rand_ops);
    add_number(&t, a->rand_magnitude);
    if (isinf(a->rand_deviation))
      wk_text_add(&t, "-mstdinf");
    else if (a->rand_deviation > 0) {
      wk_text_add(&t, "-mstd");
      add_number(&t, a->rand_deviation);
    }
    if (a->rand_increasing)
      wk_text_add(&t, "-inc1");
  }
  if (a->jitter > 0) {
    add_option(&t, "color-jitter", (double[4]){a->brightness, a->contrast, a->saturation, a->hue}, 4);
    add_option(&t, "color-jitter-prob", &a->jitter, 1);
  }
  if (a->grey > 0)
    add_option(&t, "grayscale-prob", &a->grey, 1);
  if (a->blur > 0) {
    add_option(&t, "gaussian-blur-prob", &a->blur, 1);
    add_option(&t, "gaussian-blur-sigma", a->blur_sigma, 2);
  }
  if (a->erase > 0) {
    add_option(&t, "reprob", &a->erase, 1);
    wk_text_add(&t, " remode=%s recount=%d", mode[a->erase_mode], a->erase_count);
  }
  if (!t.len)
    wk_text_add(&t, "none");
  if (t.failed) {
    wk_text_free(&t);
    return NULL;
  }
  return t.data;
}

/* ---- as one option among others ---------------------------------------------------------------- */

static void option_init(void *field) { wk_augment_init(field); }
static wk_status option_read(void *field, const char *text, wk_error *err) {
  return wk_augment_parse(field, text, err);
}
static char *option_write(const void *field) { return wk_augment_text(field); }
static wk_status option_check(const void *field, wk_error *err) { return wk_augment_validate(field, err); }
const wk_option_codec wk_augment_codec = {option_init, option_read, option_write, option_check};
