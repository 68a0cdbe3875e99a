/* folders.h (internal) - what the files that read folders share: folders.c decides which layout it is, folder_splits.c
 * knows train/ val/ test/, folder_names.c classes in file names. */
#ifndef WK_DATA_FOLDERS_H
#define WK_DATA_FOLDERS_H

#include "data/data.h"

/* The photos and folders below one folder. */
typedef struct wk_view {
  const char *path;                            /* of the folder, in the tree; "" for the root */
  size_t len;                                  /* of its prefix: the path with a '/' behind it, 0 for the root */
  size_t photo, photo_end, folder, folder_end; /* runs in the tree's lists */
} wk_view;

typedef struct wk_child {
  const char *path; /* in the tree, relative to its root */
  const char *name; /* the last split of it */
  size_t name_len;
  wk_view in;
  size_t photos; /* below it, however deep */
  size_t direct; /* in the folder itself */
  size_t inner;  /* folders in it that hold photos somewhere */
  wk_split split;  /* what its name says, among those beside it */
} wk_child;

#define WK_LEFT_OUT 0xff

/* What the readers pass around. For every photo of the tree they decide class and split; when all is decided, the
 * photos are added in the tree's order, which is the same on every machine. */
typedef struct wk_folder_reader {
  wk_builder *b;
  const char *root; /* for messages */
  wk_tree tree;
  uint64_t budget;  /* bytes that archives in archives may still unpack to */
  uint32_t *number; /* [photos]: of the class, or WK_NO_CLASS */
  uint8_t *split;    /* [photos]: wk_split, or WK_LEFT_OUT */
} wk_folder_reader;

/* "ROOT/animals", for messages. */
#define WK_PLACE_FMT "%s%s%.*s"
#define WK_PLACE(r, v) (r)->root, (v)->len ? "/" : "", (int)((v)->len ? (v)->len - 1 : 0), (v)->path

/* The folders directly in `v`, in byte order; wk_free them. */
wk_status wk_view_children(wk_child **out, size_t *count, const wk_folder_reader *r, const wk_view *v, wk_error *err);
size_t wk_view_direct(const wk_folder_reader *r, const wk_view *v); /* photos in the folder itself */
/* Gives all photos of `v` a class (NULL: none) and a split. */
wk_status wk_view_take(wk_folder_reader *r, const wk_view *v, const char *name, size_t name_len, wk_split split,
                       wk_error *err);
/* They are of no use, but where photos without a class are welcome. */
void wk_view_leave_out(wk_folder_reader *r, const wk_view *v);
/* What became of them, for notes: "not used", or "of no class". */
const char *wk_left_out_words(const wk_folder_reader *r);
/* The folders in `v` are classes. */
wk_status wk_view_take_classes(wk_folder_reader *r, const wk_view *v, const wk_child *list, size_t count, wk_split split,
                               wk_error *err);

/* ---- folder_splits.c --------------------------------------------------------------------------- */

typedef enum wk_splits_verdict {
  WK_SPLITS_NONE = 0, /* no folder is a split */
  WK_SPLITS_ALL,      /* train/ val/ test/ with class folders; what lies beside them is left out */
  WK_SPLITS_FLAT,     /* train/ and the like, without class folders, and nothing beside them */
  WK_SPLITS_BESIDE,   /* class folders to learn from, and beside them a split: with the same classes, or without any */
  WK_SPLITS_UNCLEAR   /* `why` says how to say what is meant */
} wk_splits_verdict;

wk_status wk_splits_judge(wk_splits_verdict *out, char **why, wk_folder_reader *r, const wk_view *v, wk_child *list,
                         size_t count, wk_error *err);
wk_status wk_splits_take(wk_folder_reader *r, const wk_view *v, wk_child *list, size_t count, wk_splits_verdict verdict,
                        wk_error *err);
/* Goes into folders that only wrap a split: train/train, test/images. */
wk_status wk_split_unwrap(wk_view *v, const wk_folder_reader *r, const wk_child *split, wk_error *err);
/* CLASS/train, CLASS/test ... : whether every class folder is so, and taking them. */
wk_status wk_splits_inside(bool *are, wk_folder_reader *r, const wk_child *list, size_t count, wk_error *err);

/* ---- folder_names.c --------------------------------------------------------------------------- */

wk_status wk_names_take(wk_folder_reader *r, const wk_view *v, wk_child *list, size_t count, wk_error *err);
/* No class folders: says so, and what the file names suggest. Never WK_OK. `split`: a folder such as train/ without any;
 * or NULL. */
wk_status wk_names_explain(wk_folder_reader *r, const wk_view *v, const wk_child *split, wk_error *err);

/* ---- shards.c --------------------------------------------------------------------------------- */

/* Does a label lie beside (nearly) every photo? If so, reads them: *taken. */
wk_status wk_shards_read(bool *taken, wk_folder_reader *r, wk_error *err);

#endif
