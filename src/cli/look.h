/* look.h - the sub-commands of `whisker look`, each in a file of its own (cmd_look_NAME.c), and the steps they share (look.c). */
#ifndef WK_CLI_LOOK_H
#define WK_CLI_LOOK_H

#include "cli.h"

int cli_look_features(cli *c, const cli_command *self, int argc, char **argv);

/* A model, a photo as it sees it, and what has been drawn. Zeroed before; cli_look_end frees it. */
typedef struct cli_looking {
  cli *cli;
  wk_model *model;
  wk_view view;
  json_t *images; /* what cli_look_save has written */
  double began;
} cli_looking;

/* `photo` may be NULL; `out` is the picture to be written, which must be a .png that can be made. */
wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *photo,
                         const char *out, wk_error *err);
/* Writes a picture, and notes it with what it shows. */
wk_status cli_look_save(cli_looking *l, const wk_image *picture, const char *path, const char *shows, wk_error *err);
/* Prints {"images": [...], "seconds"} and `more` (taken; may be NULL), or the error; frees everything; the exit code. */
int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, json_t *more);
/* "why.png" and "-flat.png" give "why-flat.png". free it; NULL: no memory. */
char *cli_look_beside(const char *path, const char *ending);

#endif
