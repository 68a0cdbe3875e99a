/* look.h - the sub-commands of `whisker look`, each in a file of its own (cmd_look_NAME.c), and the steps they share
 * (look.c). */
#ifndef WK_CLI_LOOK_H
#define WK_CLI_LOOK_H

#include "cli.h"

int cli_look_features(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_map(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_nearest(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_filters(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_cam(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_occlusion(cli *c, const cli_command *self, int argc, char **argv);
int cli_look_gallery(cli *c, const cli_command *self, int argc, char **argv);

/* A model, a photo as it sees it, and what has been drawn. Zeroed before; cli_look_end frees it. */
typedef struct cli_looking {
  cli *cli;
  wk_model *model;
  wk_explain_input view;
  json_t *images; /* what cli_look_save has written */
  double began;
} cli_looking;

/* `photo` may be NULL; `out` is the picture to be written, which must be a .png that can be made. */
wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *photo,
                         const char *out, wk_error *err);
/* Writes a picture, and notes it with what it shows. */
wk_status cli_look_save(cli_looking *l, const wk_image *picture, const char *path, const char *shows, wk_error *err);
/* Prints {"images": [...], "seconds"} and `more` (taken; may be NULL), or the error; frees everything; the exit code.
 */
int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, json_t *more);
/* The classes that `names` ("cat", "cat,dog"; NULL: what the model sees in the photo) means, at most `most`. */
wk_status cli_look_classes(int *class, int *count, int most, const cli_looking *l, const char *names, wk_error *err);
/* "61% of it in one region, upper left (14% of the photo)" in a static buffer. */
const char *cli_look_where(const wk_attribution_region *e);
json_t *cli_look_evidence_json(const wk_attribution_region *e);
/* Pictures of one shape side by side, with labels (NULL: none), inside the frame. */
wk_status cli_look_sheet(wk_image *out, const wk_image *picture, const char *const *label, int count,
                         const wk_frame *frame, wk_error *err);
/* "whiskers.jpg": the file's name alone. */
const char *cli_look_file(const char *path);
/* "resnet18", or "mine.whisker (mobilenet_v2)": what a picture says about where it comes from. */
const char *cli_look_model(char *out, size_t room, const wk_model *m, const char *name);

/* Classes are the model's where the photos are sorted into these, else the collection's own; none is fine, too. The
 * first `most` photos of every class; 0: all. Zeroed before; wk_feature_set_free frees it. */
wk_status cli_look_set_open(wk_feature_set *s, cli *c, const wk_model *m, const char *data, bool labels_from_name,
                            int most, wk_error *err);

#endif
