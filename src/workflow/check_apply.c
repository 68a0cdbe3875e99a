/* check_apply.c - wk_check_apply: a cleaned copy of a collection. It stands whole, or not at all. */
#include <dirent.h>
#include <string.h>

#include "workflow/doctor.h"
#include "workflow/filing.h"

/* Is there anything in the folder? */
static bool holds_something(const char *folder) {
  DIR *d = opendir(folder);
  bool found = false;
  for (struct dirent *e; d && (e = readdir(d));)
    found = found || (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0);
  if (d)
    closedir(d);
  return found;
}

/* Where a photo belongs: in a folder of its class, as it lay where that was so already. */
static char *place_of(const wk_dataset *d, size_t i) {
  static const char *const split[] = {"", "train/", "val/", "test/"};
  const wk_photo *p = &d->photos[i];
  const char *below = wk_photo_below(d, i);
  if (p->label < 0 || d->layout == WK_LAYOUT_CLASS_FOLDERS || d->layout == WK_LAYOUT_SPLIT_FOLDERS)
    return below[0] == '/' ? wk_strdup(wk_path_base(below)) : wk_strdup(below);
  char *place = wk_asprintf("%s%s/%s", split[p->split], d->classes[p->label], wk_path_base(below));
  for (char *c = place ? place + strlen(split[p->split]) : NULL;
       c && c < place + strlen(place) - strlen(wk_path_base(below)) - 1; c++)
    if (*c == '/')
      *c = '_';
  return place;
}

wk_status wk_check_apply(size_t *written, const wk_check_report *r, wk_session *s, const char *folder, bool link,
                         wk_error *err) {
  WK_NEED(err, written, r, s, folder);
  wk_status st = WK_OK;
  wk_call call;
  wk_filing *f = NULL;
  wk_progress progress = {0};
  size_t removed, kept, n = 0;
  const size_t photos = r->data->photo_count;
  bool *out = wk_calloc(photos + 1, sizeof *out);
  wk_call_begin(&call, s);
  WK_FAIL_IF(!out, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(holds_something(folder), err, WK_ERR_IO, "%s: holds something already; name a folder that is new or empty",
             folder);
  for (size_t i = 0; i < r->check->finding_count; i++)
    if (r->check->findings[i].exclude)
      out[r->check->findings[i].photo] = true;
  WK_TRY(wk_filing_open(&f, folder, err));
  WK_TRY(wk_progress_begin(&progress, &call.ctx, "copy", photos, err));
  for (size_t i = 0; i < photos && st == WK_OK; i++) {
    wk_progress_add(&progress, 1);
    if (out[i])
      continue;
    char *to = place_of(r->data, i);
    st = wk_cancelled(&call.ctx) ? WK_FAIL(err, WK_ERR_CANCELLED, "stopped")
         : to                    ? wk_filing_put(f, r->data->photos[i].path, to, link, err)
                                 : wk_no_memory(err);
    wk_free(to);
    n += st == WK_OK;
  }
  if (st == WK_OK)
    *written = n;
done:
  wk_progress_end(&progress);
  if (st != WK_OK && f) {
    if (wk_filing_undo(&removed, &kept, f, &call.ctx, NULL) != WK_OK)
      wk_warn(&call.ctx, "%s: not everything that was put there could be taken away", folder);
  } else {
    wk_filing_close(f);
  }
  wk_free(out);
  wk_call_end(&call);
  return st;
}
