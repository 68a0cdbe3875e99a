/* run_rows.c - see run_rows.h. */
#include "run_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "csv.h"
#include "project.h"

enum { CELLS = 8, MOST_TABLE = 1 << 30 };

wk_status wk_run_rows_write(const char *path, const wk_run_row *rows, size_t count, wk_error *err) {
  FILE *out = fopen(path, "we");
  if (out)
    fputs("id,class,predicted,second,p,p_class,learned,test\n", out);
  for (size_t i = 0; out && i < count; i++)
    fprintf(out, "%llu,%d,%d,%d,%.6f,%.6f,%d,%d\n", (unsigned long long)rows[i].id, rows[i].label, rows[i].predicted,
            rows[i].second, (double)rows[i].p, (double)rows[i].p_label, rows[i].learned, rows[i].test);
  bool failed = !out || ferror(out);
  failed = (out && fclose(out)) || failed;
  if (!failed)
    return WK_OK;
  wk_fault f;
  wk_fault_io(&f, path, "written");
  return wk_fault_give(err, &f);
}

wk_status wk_run_rows_read(wk_run_row **out, size_t *count, const char *path, wk_fault *f) {
  char *text = NULL;
  size_t size = 0, n = 0, cap = 0;
  wk_run_row *rows = NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return wk_fault_io(f, path, "read");
  wk_status st = wk_read_fd(&text, &size, fd, MOST_TABLE, path, f);
  close(fd);
  char *at = text, *cell[CELLS];
  if (st == WK_OK)
    wk_csv_read(&at, cell, CELLS); /* the names of the columns */
  while (st == WK_OK && *at) {
    if (n == cap) {
      cap = 2 * cap + 256;
      wk_run_row *grown = realloc(rows, cap * sizeof *grown);
      if (!grown) {
        st = wk_fault_memory(f);
        break;
      }
      rows = grown;
    }
    if (wk_csv_read(&at, cell, CELLS) != CELLS) {
      st = wk_fault_set(f, 422, "format", WK_ERR_FORMAT, "%s: row %zu cannot be read", path, n + 2);
      break;
    }
    rows[n++] = (wk_run_row){.id = strtoull(cell[0], NULL, 10),
                             .label = atoi(cell[1]),
                             .predicted = atoi(cell[2]),
                             .second = atoi(cell[3]),
                             .p = strtof(cell[4], NULL),
                             .p_label = strtof(cell[5], NULL),
                             .learned = *cell[6] == '1',
                             .test = *cell[7] == '1'};
  }
  free(text);
  if (st == WK_OK) {
    *out = rows ? rows : calloc(1, sizeof *rows);
    *count = n;
    return *out ? WK_OK : wk_fault_memory(f);
  }
  free(rows);
  return st;
}

bool wk_run_row_judged(const wk_run_row *row) { return row->label >= 0 && !row->learned; }
bool wk_run_row_right(const wk_run_row *row) { return row->label == row->predicted; }

json_t *wk_interval_json(wk_interval i) {
  return json_pack("{s:o,s:f,s:f}", "value", wk_json_number(i.value), "low", i.low, "high", i.high);
}

void wk_run_summary_add(json_t *run, const wk_run_row *rows, size_t count) {
  size_t judged = 0, right = 0, learned = 0, test = 0, test_right = 0;
  for (size_t i = 0; i < count; i++) {
    const wk_run_row *row = &rows[i];
    const bool counts = wk_run_row_judged(row), hit = wk_run_row_right(row);
    judged += counts;
    right += counts && hit;
    test += counts && row->test;
    test_right += counts && row->test && hit;
    learned += row->label >= 0 && row->learned;
  }
  json_object_set_new(run, "judged", json_integer((json_int_t)judged));
  json_object_set_new(run, "right", wk_interval_json(wk_wilson(right, judged)));
  json_object_set_new(run, "learned", json_integer((json_int_t)learned));
  json_object_set_new(
      run, "test",
      test ? json_pack("{s:I,s:o}", "judged", (json_int_t)test, "right", wk_interval_json(wk_wilson(test_right, test)))
           : json_null());
}

/* ---- classes ----------------------------------------------------------------------------------- */

/* [classes, classes + 1]: the last column is "none of the project's classes". */
static size_t *confusion(const wk_run_row *rows, size_t count, int classes) {
  const size_t width = (size_t)classes + 1;
  size_t *table = calloc((size_t)classes * width + 1, sizeof *table);
  for (size_t i = 0; table && i < count; i++)
    if (wk_run_row_judged(&rows[i]) && rows[i].label < classes) {
      const int said = rows[i].predicted;
      table[(size_t)rows[i].label * width + (size_t)(said >= 0 && said < classes ? said : classes)]++;
    }
  return table;
}

json_t *wk_run_confusion(const wk_run_row *rows, size_t count, int classes) {
  size_t *table = confusion(rows, count, classes);
  json_t *cells = json_array();
  for (int i = 0; table && i < classes; i++)
    for (int j = 0; j <= classes; j++) {
      const size_t n = table[(size_t)i * ((size_t)classes + 1) + (size_t)j];
      if (n)
        json_array_append_new(cells, json_pack("[i,i,I]", i, j < classes ? j : -1, (json_int_t)n));
    }
  free(table);
  return cells;
}

json_t *wk_run_per_class(const wk_run_row *rows, size_t count, int classes) {
  const size_t width = (size_t)classes + 1;
  size_t *table = confusion(rows, count, classes);
  json_t *all = json_array();
  for (int i = 0; table && i < classes; i++) {
    size_t have = 0, said = 0;
    for (int j = 0; j <= classes; j++)
      have += table[(size_t)i * width + (size_t)j];
    for (int j = 0; j < classes; j++)
      said += table[(size_t)j * width + (size_t)i];
    const size_t right = table[(size_t)i * width + (size_t)i];
    if (have || said)
      json_array_append_new(all, json_pack("{s:i,s:I,s:o,s:o}", "class", i, "photos", (json_int_t)have, "right",
                                           wk_interval_json(wk_wilson(right, have)), "precision",
                                           wk_interval_json(wk_wilson(right, said))));
  }
  free(table);
  return all;
}

/* ---- the promise ------------------------------------------------------------------------------- */

static int by_confidence(const void *a, const void *b) {
  const wk_run_row *x = *(const wk_run_row *const *)a, *y = *(const wk_run_row *const *)b;
  if (x->p != y->p)
    return x->p > y->p ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

/* Which half a photo is in: by its number alone, so that adding photos moves none, and evenly whatever their order. */
static bool choosing_half(uint64_t id) {
  uint32_t bits[4];
  wk_philox(bits, (const uint32_t[4]){(uint32_t)id, (uint32_t)(id >> 32), 0, 0}, (const uint32_t[2]){0x7374u, 0x7564u});
  return bits[0] & 1;
}

/* Is it shown that fewer than `wrong` of all answers are, when k of n were? Exact, one-sided, 95%: so few would be seen
 * with a chance of at most 5% if it were not so (Clopper and Pearson 1934). 0 of 299 show 1 in 100. */
static bool shows(size_t k, size_t n, double wrong) {
  double term = (double)n * log1p(-wrong), sum = 0;
  for (size_t i = 0; i <= k && i <= n; i++) {
    sum += exp(term);
    term += log((double)(n - i) / (double)(i + 1) * wrong / (1 - wrong));
  }
  return sum <= 0.05;
}

/* From the surest down, as long as the upper bound of the errors holds: the lowest confidence that is still accepted;
 * above 1: none is. */
static double lowest_confidence(const wk_run_row *const *chosen, size_t count, double wrong) {
  double threshold = 2;
  size_t errors = 0;
  for (size_t i = 0; i < count; i++) {
    errors += !wk_run_row_right(chosen[i]);
    const bool tied = i + 1 < count && chosen[i + 1]->p == chosen[i]->p;
    if (!tied && shows(errors, i + 1, wrong))
      threshold = (double)chosen[i]->p;
  }
  return threshold;
}

json_t *wk_run_promise(const wk_run_row *rows, size_t count, double wrong) {
  const wk_run_row **chosen = calloc(count + 1, sizeof *chosen);
  size_t choosing = 0, judging = 0, answered = 0, errors = 0, needed = 1;
  if (!chosen)
    return NULL;
  for (size_t i = 0; i < count; i++)
    if (wk_run_row_judged(&rows[i]) && choosing_half(rows[i].id))
      chosen[choosing++] = &rows[i];
  qsort(chosen, choosing, sizeof *chosen, by_confidence);
  const double threshold = lowest_confidence(chosen, choosing, wrong);
  free(chosen);
  for (size_t i = 0; i < count; i++) {
    const wk_run_row *row = &rows[i];
    if (!wk_run_row_judged(row) || choosing_half(row->id))
      continue;
    judging++;
    answered += (double)row->p >= threshold;
    errors += (double)row->p >= threshold && !wk_run_row_right(row);
  }
  while (needed < 1000000 && !shows(0, needed, wrong))
    needed++;
  return json_pack("{s:f,s:b,s:o,s:I,s:I,s:I,s:o,s:I,s:o,s:I}", "wrong", wrong, "held", threshold <= 1, "threshold",
                   threshold <= 1 ? json_real(threshold) : json_null(), "needed", (json_int_t)needed, "chosen_on",
                   (json_int_t)choosing, "judged_on", (json_int_t)judging, "answered",
                   wk_interval_json(wk_wilson(answered, judging)), "answers", (json_int_t)answered,
                   "wrong_among_answers", wk_interval_json(wk_wilson(errors, answered)), "errors", (json_int_t)errors);
}

/* ---- two runs ---------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
  const wk_run_row *x = a, *y = b;
  return x->id < y->id ? -1 : x->id > y->id;
}

json_t *wk_run_compare(const wk_run_row *a, size_t a_count, const wk_run_row *b, size_t b_count) {
  wk_run_row *sorted = malloc((b_count + 1) * sizeof *sorted);
  if (!sorted)
    return NULL;
  memcpy(sorted, b, b_count * sizeof *sorted);
  qsort(sorted, b_count, sizeof *sorted, by_id);
  size_t both = 0, only_a = 0, only_b = 0;
  json_t *better = json_array(), *worse = json_array();
  for (size_t i = 0; i < a_count; i++) {
    const wk_run_row *other = bsearch(&a[i], sorted, b_count, sizeof *sorted, by_id);
    if (!other || !wk_run_row_judged(&a[i]) || !wk_run_row_judged(other) || a[i].label != other->label)
      continue;
    const bool first = wk_run_row_right(&a[i]), second = wk_run_row_right(other);
    both++;
    only_a += first && !second;
    only_b += second && !first;
    if (first != second)
      json_array_append_new(second ? better : worse, json_integer((json_int_t)a[i].id));
  }
  free(sorted);
  /* Of a paired difference: its standard error counts only photos on which the two differ. */
  const double n = (double)both, d = both ? ((double)only_b - (double)only_a) / n : NAN;
  const double e = both ? 1.96 * sqrt(((double)(only_a + only_b) + 1 - n * d * d) / (n * n)) : NAN;
  return json_pack("{s:I,s:I,s:I,s:{s:o,s:o,s:o},s:f,s:o,s:o}", "photos", (json_int_t)both, "better",
                   (json_int_t)only_b, "worse", (json_int_t)only_a, "difference", "value", wk_json_number(d), "low",
                   wk_json_number(fmax(-1, d - e)), "high", wk_json_number(fmin(1, d + e)), "p",
                   wk_mcnemar(only_a, only_b), "better_ids", better, "worse_ids", worse);
}
