/* csv.h (internal) - tables that spreadsheets open. A cell that a spreadsheet would take for a formula gets a ' before
 * it, which reading takes away again. */
#ifndef WK_STUDIO_CSV_H
#define WK_STUDIO_CSV_H

#include <stdio.h>

void wk_csv_write(FILE *out, const char *cell);
/* The same without the ': for programs. */
void wk_csv_write_plain(FILE *out, const char *cell);
/* Splits the row at *text in place, which then points behind it; at most `most` cells are kept. The number of cells. */
int wk_csv_read(char **text, char **cell, int most);

#endif
