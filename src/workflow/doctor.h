/* doctor.h (internal) - what the files of the data doctor share: the report in words, as JSON, as a list and as a page;
 * and photos that are left out by a list. */
#ifndef WK_WORKFLOW_DOCTOR_H
#define WK_WORKFLOW_DOCTOR_H

#include "whisker/answers.h"
#include "workflow/workflow.h"

/* r->verdict, of `data` as it was named (check_report.c). */
wk_status wk_check_verdict(wk_check_report *r, const char *data, wk_error *err);
/* A photo's name from the folder of its collection on. */
const char *wk_photo_below(const wk_dataset *d, size_t photo);

#endif
