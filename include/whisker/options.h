/* options.h - one table for the options of a struct: a row has a field's name, type, default, bounds and help. Defaults, checks,
 * flags, JSON, a checkpoint's fingerprint and the man pages are all made from it, so that they cannot disagree.
 *
 *   typedef struct my_options { int epochs; double lr; } my_options;
 *   static const wk_option rows[] = {
 *       {.name = "epochs", WK_ROW_INT(my_options, epochs), .value = 12, .min = 1, .max = 1000, .placeholder = "N",
 *        .help = "passes over the training photos"},
 *       {.name = "lr", WK_ROW_DOUBLE(my_options, lr), .value = 0.1, .min = 0, .max = 10, .flags = WK_OPTION_ABOVE_MIN,
 *        .placeholder = "RATE", .help = "learning rate"},
 *       {0}};
 *   static const wk_option_table table = {"my_options", sizeof(my_options), rows, NULL};
 *
 * The structs of this library have theirs: wk_x_options_table().
 */
#ifndef WHISKER_OPTIONS_H
#define WHISKER_OPTIONS_H

#include <math.h>

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_option_type {
  WK_OPTION_BOOL = 0, /* bool */
  WK_OPTION_INT,      /* int */
  WK_OPTION_SIZE,     /* size_t */
  WK_OPTION_U64,      /* uint64_t */
  WK_OPTION_FLOAT,    /* float */
  WK_OPTION_DOUBLE,   /* double */
  WK_OPTION_TEXT,     /* const char *, not owned by the struct; may be NULL */
  WK_OPTION_CHOICE,   /* an enum that counts from 0, named by `choices` */
  WK_OPTION_CODEC,    /* anything that has a text form of its own: see wk_option_codec */
  WK_OPTION_PART      /* a struct inside the struct, with its own table. Without a name its rows count as the outer table's */
} wk_option_type;

enum {
  WK_OPTION_ABOVE_MIN = 1,   /* `min` itself is not allowed */
  WK_OPTION_BELOW_MAX = 2,   /* `max` itself is not allowed */
  WK_OPTION_FINGERPRINT = 4, /* the weights that come out depend on it: a checkpoint must agree with it */
  WK_OPTION_NO_FLAG = 8      /* checked and written, but no flag of the command line */
};

/* A value for an option, by name. Lists end with a zeroed entry. */
typedef struct wk_option_value {
  const char *name;
  double value;     /* numbers; 0 or 1; a choice's index */
  const char *text; /* TEXT */
} wk_option_value;

/* How something that is neither a number nor a plain text is initialised, read, written and checked. */
typedef struct wk_option_codec {
  void (*init)(void *field);
  wk_status (*read)(void *field, const char *text, wk_error *err);
  char *(*write)(const void *field); /* what `read` reads back to the same; wk_free it. NULL: no memory */
  wk_status (*check)(const void *field, wk_error *err);
} wk_option_codec;

typedef struct wk_option_table wk_option_table;

/* One row. Unused members are zero. */
typedef struct wk_option {
  const char *name; /* the flag without its dashes: "batch-size". The JSON key is the same with _ for - */
  char letter;      /* its short flag; 0: none */
  wk_option_type type;
  size_t offset;    /* of the field in its struct, in bytes */
  double value;     /* the default: a number, 0 or 1, or a choice's index */
  const char *text; /* the default of TEXT */
  double min, max;  /* of numbers; equal: any finite number. INFINITY: no bound on that side */
  double unit;      /* numbers as a text count in this (1 << 20: megabytes of a field in bytes); 0: 1 */
  const char *automatic;      /* what the default stands for, where it is no value itself: "the optimiser's own". As a text: "auto" */
  const char *const *choices; /* CHOICE: names, ending with NULL */
  /* CHOICE: the values of other rows of the table that go with each choice, or NULL. When the choice changes, every row that any
   * of these lists names gets its value, or its default where the new choice's list does not name it. */
  const wk_option_value *const *with;
  const wk_option_value *preset; /* PART: defaults that differ from those of its own table; or NULL */
  const char *placeholder;       /* the value's name in a usage line: "N" */
  const char *help;              /* a phrase without a capital and a full stop */
  const char *old_names;         /* that still work, with spaces between; or NULL */
  const char *old_choices;       /* CHOICE: names of choices that still work, "lesson=plain best=robust"; or NULL */
  unsigned flags;                /* WK_OPTION_... */
  const wk_option_codec *codec;  /* CODEC */
  const wk_option_table *part;   /* PART */
} wk_option;

struct wk_option_table {
  const char *name; /* of the struct, without wk_ */
  size_t size;      /* of the struct, in bytes */
  const wk_option *rows; /* ends with a row that has neither a name nor a part */
  wk_status (*check)(const void *options, wk_error *err); /* what concerns more than one field; may be NULL */
};

/* For rows in C: type and offset of a field, which does not compile where the field has another type. */
#define WK_ROW_OFFSET(s, field, ...) (offsetof(s, field) + 0 * sizeof(_Generic(((s *)0)->field, __VA_ARGS__)))
#define WK_ROW_BOOL(s, field) .type = WK_OPTION_BOOL, .offset = WK_ROW_OFFSET(s, field, bool: 0)
#define WK_ROW_INT(s, field) .type = WK_OPTION_INT, .offset = WK_ROW_OFFSET(s, field, int: 0)
#define WK_ROW_SIZE(s, field) .type = WK_OPTION_SIZE, .offset = WK_ROW_OFFSET(s, field, size_t: 0)
#define WK_ROW_U64(s, field) .type = WK_OPTION_U64, .offset = WK_ROW_OFFSET(s, field, uint64_t: 0)
#define WK_ROW_FLOAT(s, field) .type = WK_OPTION_FLOAT, .offset = WK_ROW_OFFSET(s, field, float: 0)
#define WK_ROW_DOUBLE(s, field) .type = WK_OPTION_DOUBLE, .offset = WK_ROW_OFFSET(s, field, double: 0)
#define WK_ROW_TEXT(s, field) .type = WK_OPTION_TEXT, .offset = WK_ROW_OFFSET(s, field, const char *: 0)
#define WK_ROW_CHOICE(s, field, names)                                                                                 \
  .type = WK_OPTION_CHOICE, .offset = WK_ROW_OFFSET(s, field, unsigned: 0, int: 0), .choices = (names)
#define WK_ROW_CODEC(s, field, how) .type = WK_OPTION_CODEC, .offset = offsetof(s, field), .codec = (how)
#define WK_ROW_PART(s, field, table) .type = WK_OPTION_PART, .offset = offsetof(s, field), .part = (table)

/* Zeroes the struct and gives every row its default. */
WK_API void wk_options_init(void *options, const wk_option_table *table);
/* Sets several values at once, without checking. A name that the table does not have is passed over. */
WK_API void wk_options_preset(void *options, const wk_option_table *table, const wk_option_value *values);
/* Every row within its bounds, and `check`. Messages: "epochs must be at least 1 (got 0)". */
WK_API wk_status wk_options_validate(const void *options, const wk_option_table *table, wk_error *err) WK_NODISCARD;

/* Row number `index` from 0; rows of parts without a name are counted where the part is, and `out->offset` is from the beginning of
 * the outer struct. False: there are not so many. */
WK_API bool wk_options_row(wk_option *out, const wk_option_table *table, int index);
/* The row of that name, or that had it (- and _ are the same), as above. False: there is none. */
WK_API bool wk_options_find(wk_option *out, const wk_option_table *table, const char *name);

/* The one of `names` (which end with NULL) that is most like `name`, for "did you mean"; NULL: none is near. */
WK_API const char *wk_nearest_name(const char *name, const char *const *names);

/* Reads and checks one value. A TEXT keeps the pointer. `name` may lead into named parts: "probe.l2". Messages begin with the name:
 * "epochs must be a whole number (got 'ten')", and a choice's lists what there is. WK_ERR_NOT_FOUND: no option has that name. */
WK_API wk_status wk_options_set(void *options, const wk_option_table *table, const char *name, const char *text,
                                wk_error *err) WK_NODISCARD;
/* The text that wk_options_set reads back to the same value, "" for a TEXT that is NULL; wk_free it. `row` as wk_options_row gives
 * it. NULL: no memory. */
WK_API char *wk_option_text(const void *options, const wk_option *row);
/* What is allowed, in words: "at least 0 and below 1", "one of sgd, adam"; "" where anything is. wk_free it; NULL: no memory. */
WK_API char *wk_option_bounds(const wk_option *row);

/* {"epochs":12,"lr":0.1}: all rows, keys in the table's order, named parts as objects of their own. wk_free it; NULL: no memory. */
WK_API char *wk_options_json(const void *options, const wk_option_table *table);
/* Sets what `json` has; unknown keys and values of another type are errors. *texts holds the TEXTs that were read: wk_free it when
 * the options are no longer used. */
WK_API wk_status wk_options_from_json(void *options, const wk_option_table *table, const char *json, char **texts,
                                      wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
