/* cmd_look.c - `whisker look WHAT ...`: which ways of looking there are. */
#include <string.h>

#include "look.h"

/* Called "look NAME", so that a sub-command's own help and errors name it as it was typed. Ends with a zeroed entry. */
const cli_command cli_look_ways[] = {
    {"look features",
     "MODEL PHOTO [--layer NAME] [-o FILE.png]",
     "what a photo does to the layers: channels as maps, and their statistics",
     {"whisker look features vgg16 cat.jpg", "whisker look features mine.whisker cat.jpg --layer layer3 --raw f.npy"},
     cli_look_features,
     NULL},
    {"look filters",
     "MODEL [DATA] [--layer NAME] [--channel N,N] [-o FILE.png]",
     "what channels look for: filters, the pictures that excite them, and places in photos that do",
     {"whisker look filters resnet18", "whisker look filters mine.whisker photos --layer layer3 --channel 5,9"},
     cli_look_filters,
     NULL},
    {"look cam",
     "MODEL PHOTO [--class C,C] [--method M] [-o FILE.png]",
     "which parts of a photo speak for a class",
     {"whisker look cam mine.whisker whiskers.jpg -o why.png",
      "whisker look cam resnet50 pets.jpg --class tabby,beagle --method scorecam"},
     cli_look_cam,
     NULL},
    {"look occlusion",
     "MODEL PHOTO [--class C] [-o FILE.png]",
     "which places of a photo cost a class its probability when they are hidden",
     {"whisker look occlusion mine.whisker whiskers.jpg -o hidden.png",
      "whisker look occlusion resnet50 cat.jpg --class 284 --patch 24"},
     cli_look_occlusion,
     NULL},
    {"look map",
     "MODEL DATA [-o map.png] [--html map.html]",
     "all photos laid out by their features: what is alike lies together",
     {"whisker look map mine.whisker photos --html map.html",
      "whisker look map efficientnet_lite0 pets --labels-from name"},
     cli_look_map,
     NULL},
    {"look nearest",
     "MODEL PHOTO DATA [-k 8] [-o nearest.png]",
     "the photos of a collection that are most like one photo",
     {"whisker look nearest mine.whisker cat.jpg photos", "whisker look nearest resnet18 cat.jpg photos -k 15 --json"},
     cli_look_nearest,
     NULL},
    {"look gallery",
     "MODEL DATA [-o FOLDER]",
     "a folder with a page of everything: right and wrong, map, features, ideal pictures, attacks",
     {"whisker look gallery mine.whisker photos -o gallery",
      "whisker look gallery mine.whisker photos --photos 50 --no-robust"},
     cli_look_gallery,
     NULL},
    {0}};

static void print_help(const cli_command *self, FILE *f) {
  fprintf(f, "usage: whisker %s %s\n\n%s\n\n", self->name, self->usage, self->summary);
  cli_list_ways(self, f);
  fputs("\nfor example:\n", f);
  for (const cli_command *way = cli_look_ways; way->name; way++)
    fprintf(f, "  %s\n", way->examples[0]);
  fputs("\n`whisker look WHAT --help` shows its flags and examples.\n", f);
}

int cli_look(cli *c, const cli_command *self, int argc, char **argv) {
  return cli_run_way(c, self, print_help, "no way of looking", argc, argv);
}
