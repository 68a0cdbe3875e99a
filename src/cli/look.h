/* look.h - the sub-commands of `whisker look`, each in a file of its own (cmd_look_NAME.c), and what they share
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

/* The flags that all have, for a table of flags. */
#define CLI_LOOK_FLAGS(out, arch)                                                                                      \
  {"output", 'o', CLI_STRING, (out), "FILE.png", "picture to write", 0, 0, NULL}, {                                    \
    "arch", 0, CLI_STRING, (arch), "NAME", "architecture of a weight file, if it cannot be recognised", 0, 0, NULL     \
  }

/* A session with the model to look into. */
typedef struct cli_looking {
  cli *cli;
  wk_session *session; /* belongs to the cli */
  wk_model *model;
} cli_looking;

/* `out` is the picture to be written, which must be a .png that can be made. cli_look_end frees `l`, whatever is
 * returned. */
wk_status cli_look_begin(cli_looking *l, cli *c, const char *model, const char *arch, const char *out, wk_error *err);
/* Prints the report (taken), or the error; the exit code. */
int cli_look_end(cli_looking *l, wk_status st, const wk_error *err, char *json);
/* "61% of it in one region, upper left (14% of the photo)" in a static buffer. */
const char *cli_look_where(const wk_attribution_region *e);

#endif
