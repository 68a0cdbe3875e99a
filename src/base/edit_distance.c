/* edit_distance.c - how far two names are apart, for "did you mean". Works on a bounded stretch of each name, so it
 * needs no memory and cannot fail. */
#include <string.h>

#include "base/base.h"

#define LONGEST 127

static int fold(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c; }
static int smaller(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment: insert, remove, replace, or swap two neighbours, one point each. */
int wk_edit_distance(const char *a, const char *b) {
  int na = (int)strnlen(a, LONGEST), nb = (int)strnlen(b, LONGEST);
  int rows[3][LONGEST + 1];
  int *before = rows[0], *above = rows[1], *row = rows[2];
  for (int j = 0; j <= nb; j++)
    above[j] = j;
  for (int i = 1; i <= na; i++) {
    row[0] = i;
    for (int j = 1; j <= nb; j++) {
      int ca = fold(a[i - 1]), cb = fold(b[j - 1]);
      row[j] = smaller(above[j - 1] + (ca != cb), smaller(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && ca == fold(b[j - 2]) && fold(a[i - 2]) == cb)
        row[j] = smaller(row[j], before[j - 2] + 1);
    }
    int *oldest = before;
    before = above, above = row, row = oldest;
  }
  return above[nb];
}
