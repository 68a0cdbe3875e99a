/* project_files.c - project.json and photos.csv: written whole, beside the old ones, and renamed into place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "csv.h"

static const char MADE_BY[] = "whisker studio";
enum { MOST_JSON = 64 << 20 };

wk_status wk_project_replace(const wk_project *p, const char *name, const void *bytes, size_t size, wk_fault *f) {
  char beside[64];
  snprintf(beside, sizeof beside, "%s.new", name);
  const int fd = openat(p->folder_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return wk_fault_io(f, name, "written");
  const bool written = wk_write_fd(fd, bytes, size) && fsync(fd) == 0;
  wk_status st = written ? WK_OK : wk_fault_io(f, name, "written");
  close(fd);
  if (st == WK_OK && (renameat(p->folder_fd, beside, p->folder_fd, name) || fsync(p->folder_fd)))
    st = wk_fault_io(f, name, "written");
  if (st != WK_OK)
    unlinkat(p->folder_fd, beside, 0);
  return st;
}

/* ---- saving ------------------------------------------------------------------------------------ */

static wk_status save_json(const wk_project *p, wk_fault *f) {
  json_t *classes = json_array();
  for (int i = 0; classes && i < p->class_count; i++)
    json_array_append_new(classes, wk_json_text(p->classes[i]));
  json_t *all = json_pack("{s:s,s:i,s:o,s:o,s:o}", "made_by", MADE_BY, "version", 1, "name", wk_json_text(p->name),
                          "photos", wk_json_text(p->root), "classes", classes);
  char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
  json_decref(all);
  if (!text)
    return wk_fault_memory(f);
  const wk_status st = wk_project_replace(p, "project.json", text, strlen(text), f);
  free(text);
  return st;
}

static void write_row(FILE *out, const wk_project *p, size_t i) {
  const wk_project_photo *photo = &p->photos[i];
  char hash[65];
  wk_hash_text(hash, photo->sha256);
  fprintf(out, "%zu,", i + 1);
  wk_csv_write(out, photo->file);
  fprintf(out, ",%s,", hash);
  wk_csv_write(out, photo->label >= 0 && p->classes[photo->label] ? p->classes[photo->label] : "");
  fprintf(out, ",%d,%s,%s,%d\n", photo->label, wk_part_name(photo->part), photo->own ? "project" : "folder",
          photo->removed);
}

static const char HEADER[] = "id,file,sha256,class,class_number,part,in,removed\n";

static wk_status save_photos(const wk_project *p, wk_fault *f) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return wk_fault_memory(f);
  fputs(HEADER, out);
  for (size_t i = 0; i < p->photo_count; i++)
    write_row(out, p, i);
  const bool failed = ferror(out);
  wk_status st = fclose(out) || failed ? wk_fault_memory(f) : wk_project_replace(p, "photos.csv", text, size, f);
  free(text);
  return st;
}

wk_status wk_project_save(wk_project *p, wk_fault *f) {
  wk_status st = save_json(p, f);
  return st == WK_OK ? save_photos(p, f) : st;
}

/* ---- loading ----------------------------------------------------------------------------------- */

static wk_status read_file(char **text, size_t *size, const wk_project *p, const char *name, wk_fault *f) {
  const int fd = openat(p->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return wk_fault_io(f, name, "read");
  const wk_status st = wk_read_fd(text, size, fd, (size_t)1 << 31, name, f);
  close(fd);
  return st;
}

static wk_status broken(const wk_project *p, const char *name, const char *why, wk_fault *f) {
  return wk_fault_set(f, 422, "project", WK_ERR_FORMAT, "%s/%s: %s; it is not as whisker studio wrote it", p->folder,
                      name, why);
}

static wk_status load_json(wk_project *p, wk_fault *f) {
  char *text = NULL;
  size_t size = 0, i;
  wk_status st = read_file(&text, &size, p, "project.json", f);
  if (st != WK_OK)
    return st;
  json_error_t why;
  json_t *all = size <= MOST_JSON ? json_loadb(text, size, 0, &why) : NULL, *name;
  free(text);
  const char *made_by = json_string_value(json_object_get(all, "made_by")),
             *root = json_string_value(json_object_get(all, "photos"));
  if (!made_by || strcmp(made_by, MADE_BY) || json_integer_value(json_object_get(all, "version")) != 1)
    st = broken(p, "project.json", "no project of this version", f);
  if (st == WK_OK && root && !p->root && !(p->root = strdup(root)))
    st = wk_fault_memory(f);
  p->unsaved = p->root && (!root || strcmp(root, p->root) != 0); /* other photos were given now */
  p->classes = calloc(json_array_size(json_object_get(all, "classes")) + 1, sizeof *p->classes);
  if (!p->classes)
    st = wk_fault_memory(f);
  if (st == WK_OK)
    json_array_foreach(json_object_get(all, "classes"), i, name) {
      const char *text_ = json_string_value(name);
      p->classes[p->class_count++] = text_ ? strdup(text_) : NULL;
      if (text_ && !p->classes[i]) {
        st = wk_fault_memory(f);
        break;
      }
    }
  const char *called = json_string_value(json_object_get(all, "name"));
  char *copy = called ? strdup(called) : NULL;
  if (copy) {
    free(p->name);
    p->name = copy;
  }
  json_decref(all);
  return st;
}

enum { CELLS = 8 };

static bool read_row(wk_project_photo *out, const wk_project *p, char *const *cell) {
  char *end;
  const long label = strtol(cell[4], &end, 10);
  const int part = wk_part_of(cell[5]);
  *out = (wk_project_photo){.file = cell[1],
                            .label = (int32_t)label,
                            .part = (uint8_t)part,
                            .own = !strcmp(cell[6], "project"),
                            .removed = !strcmp(cell[7], "1")};
  return !*end && label >= -1 && label < p->class_count && part >= 0 && wk_hash_read(out->sha256, cell[2]);
}

wk_status wk_project_load(wk_project *p, wk_fault *f) {
  wk_status st = load_json(p, f);
  if (st != WK_OK)
    return st;
  char *text = NULL;
  size_t size = 0;
  st = read_file(&text, &size, p, "photos.csv", f);
  char *at = text;
  for (size_t row = 0; st == WK_OK && *at; row++) {
    char *cell[CELLS], why[64];
    wk_project_photo photo;
    const int cells = wk_csv_read(&at, cell, CELLS);
    if (row == 0 && cells == CELLS)
      continue;
    snprintf(why, sizeof why, "row %zu cannot be read", row + 1);
    if (cells != CELLS || strtoul(cell[0], NULL, 10) != row || !read_row(&photo, p, cell))
      st = broken(p, "photos.csv", why, f);
    else
      st = wk_project_append(p, &photo, f);
  }
  free(text);
  return st;
}
