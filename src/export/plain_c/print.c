/* print.c - the header of a network as plain C: what its caller needs to know, the kernels it needs and no others, and
 * one call a layer. Names begin with the header's own, so that several networks fit in one program. */
#include <ctype.h>
#include <string.h>

#include "export/plain_c/program.h"
#include "export/plain_c/runtime.h"

/* ---- the runtime's parts ------------------------------------------------------------------------------- */

/* A piece of the runtime between two lines of the form "@part NAME: WHAT IT NEEDS". */
typedef struct part {
  const char *name, *needs, *text;
  int name_size, needs_size, text_size;
  bool wanted;
} part;

enum { MOST_PARTS = 64 };

typedef struct parts {
  part part[MOST_PARTS];
  int count;
} parts;

static const char *line_end(const char *at, const char *end) {
  const char *n = memchr(at, '\n', (size_t)(end - at));
  return n ? n + 1 : end;
}

static void split(parts *out, const unsigned char *text, unsigned long size) {
  static const char mark[] = "/* @part ", stop[] = "/* @end */";
  const char *at = (const char *)text, *end = at + size;
  part *open = NULL;
  while (at < end) {
    const char *next = line_end(at, end);
    const bool begins = strncmp(at, mark, sizeof mark - 1) == 0;
    if (open && (begins || strncmp(at, stop, sizeof stop - 1) == 0)) {
      open->text_size = (int)(at - open->text);
      open = NULL;
    }
    if (begins && out->count < MOST_PARTS) {
      open = &out->part[out->count++];
      *open = (part){.name = at + sizeof mark - 1, .text = next};
      open->name_size = (int)strcspn(open->name, ": ");
      open->needs = open->name + open->name_size + strspn(open->name + open->name_size, ": ");
      open->needs_size = (int)(strstr(open->needs, "*/") - open->needs);
    }
    at = next;
  }
}

static void want(parts *p, const char *name, int size) {
  for (int i = 0; i < p->count; i++) {
    part *a = &p->part[i];
    if (a->name_size != size || memcmp(a->name, name, (size_t)size) != 0 || a->wanted)
      continue;
    a->wanted = true;
    for (const char *n = a->needs; n < a->needs + a->needs_size;) {
      const int each = (int)strcspn(n, " *");
      want(p, n, each);
      n += each + 1;
    }
  }
}

/* ---- words --------------------------------------------------------------------------------------------- */

/* The header is drafted with nn_ and NN_ before every name of its own, and then renamed; labels and names of layers,
 * which may hold anything, are added to what is renamed already. */
typedef struct printer {
  const wk_c_program *p;
  wk_text draft, out;
  const char *lower; /* "cats" */
  char *upper;       /* "CATS" */
} printer;

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static void settle(printer *w) {
  const char *text = w->draft.data;
  size_t from = 0, size = w->draft.len;
  for (size_t i = 0; i + 3 <= size; i++) {
    const bool lower = memcmp(text + i, "nn_", 3) == 0, upper = memcmp(text + i, "NN_", 3) == 0;
    if ((!lower && !upper) || (i && in_word(text[i - 1])))
      continue;
    wk_text_append(&w->out, text + from, i - from);
    wk_text_add(&w->out, "%s_", lower ? w->lower : w->upper);
    from = i + 3;
  }
  if (size)
    wk_text_append(&w->out, text + from, size - from);
  w->out.failed |= w->draft.failed;
  wk_text_free(&w->draft);
  w->draft = (wk_text){0};
}

static void add_string(printer *w, const char *s) {
  settle(w);
  wk_text_append(&w->out, "\"", 1);
  for (; *s; s++)
    if (*s == '"' || *s == '\\' || *s == '?') /* two question marks could begin a trigraph */
      wk_text_add(&w->out, "\\%c", *s);
    else if (*s >= 0x20 && *s < 0x7f)
      wk_text_append(&w->out, s, 1);
    else
      wk_text_add(&w->out, "\\%03o", (unsigned)(unsigned char)*s);
  wk_text_append(&w->out, "\"", 1);
}

/* Names and paths in comments: on one line, and never their end. */
static void add_comment(printer *w, const char *s) {
  settle(w);
  for (; *s; s++)
    wk_text_append(&w->out, (unsigned char)*s < 0x20 || *s == '*' || *s == '\\' ? "_" : s, 1);
}

/* ---- what the caller sees -------------------------------------------------------------------------------- */

static void add_pixels(wk_text *t, const wk_preprocess *p) {
  if (p->rule == WK_CROP_SQUASH)
    wk_text_add(t, "resized to %d x %d, whatever its ratio", p->width, p->height);
  else
    wk_text_add(t, "its shorter side resized to %d, then\n * the middle of %d x %d", p->resize, p->width, p->height);
  wk_text_add(t, p->grey ? ", made grey, as three equal bytes a pixel.\n" : ".\n");
}

/* What working memory is of. */
static const char *number_type(const printer *w) { return w->p->quant ? "signed char" : "float"; }

static void add_head(printer *w, const char *weights) {
  const wk_net *net = w->p->net;
  wk_text *t = &w->draft;
  wk_text_add(t, "/* %s.h - ", w->lower);
  add_comment(w, net->name);
  wk_text_add(t, " in plain C, written by whisker: a network that tells %d classes apart.\n", net->classes);
  wk_text_add(
      t, " *\n * In one source file (C99, or C++):\n *\n *   #define NN_IMPLEMENTATION\n *   #include \"%s.h\"\n *\n",
      w->lower);
  wk_text_add(t, " * Its weights are the %zu bytes of ", w->p->weight_bytes);
  add_comment(w, weights);
  wk_text_add(
      t,
      ": read, mapped, or linked into the program, at an\n"
      " * address that is a multiple of 4; little-endian. Nothing is allocated: it works in the memory that its\n"
      " * caller gives, %zu bytes, and keeps nothing between calls. So several threads may run it, each with memory\n"
      " * of its own.\n *\n",
      w->p->work_numbers * (w->p->quant ? 1 : sizeof(float)));
  wk_text_add(t, " *   static %s work[NN_WORK];\n *   float score[NN_CLASSES];\n", number_type(w));
  wk_text_add(t, " *   if (nn_check(weights, bytes)) ...              other weights, or not all of them\n"
                 " *   nn_logits(score, rgb, weights, work);\n"
                 " *   nn_softmax(score);                             now probabilities, of nn_labels[]\n *\n");
  wk_text_add(t, " * rgb: %d x %d pixels, row by row, each red, green, blue in a byte: the photo upright,\n * ",
              net->preprocess.width, net->preprocess.height);
  add_pixels(t, &net->preprocess);
  wk_text_add(t, " *\n * The kernels are part of whisker, under the Apache License 2.0. */\n");
}

static void add_declarations(printer *w) {
  const wk_net *net = w->p->net;
  wk_text_add(&w->draft,
              "#ifndef NN_H\n#define NN_H\n\n#include <stddef.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
              "#define NN_WIDTH %d\n#define NN_HEIGHT %d\n#define NN_CLASSES %d\n#define NN_WEIGHT_BYTES %zu\n"
              "#define NN_WORK %zu\n\n",
              net->preprocess.width, net->preprocess.height, net->classes, w->p->weight_bytes, w->p->work_numbers);
  wk_text_add(&w->draft,
              "extern const char *const nn_labels[NN_CLASSES];\n"
              "/* 0 where these are this network's weights, all of them. */\n"
              "int nn_check(const void *weights, size_t bytes);\n"
              "void nn_logits(float *logits, const unsigned char *rgb, const void *weights, %s *work);\n",
              number_type(w));
  wk_text_add(&w->draft, "/* Logits to probabilities, in place. */\n"
                         "void nn_softmax(float *score);\n\n"
                         "#ifdef __cplusplus\n}\n#endif\n#endif\n\n");
}

/* ---- the implementation ---------------------------------------------------------------------------------- */

static const char *eight(const printer *w) { return w->p->quant ? "8" : ""; }

static void add_kernels(printer *w) {
  parts all = {.count = 0};
  split(&all, wk_c_runtime_layer, wk_c_runtime_layer_size);
  split(&all, wk_c_runtime_shared, wk_c_runtime_shared_size);
  if (w->p->quant)
    split(&all, wk_c_runtime_int8_kernels, wk_c_runtime_int8_kernels_size);
  else
    split(&all, wk_c_runtime_float_kernels, wk_c_runtime_float_kernels_size);
  want(&all, "base", 4);
  if (w->p->quant)
    want(&all, "base8", 5);
  for (int i = 0; i < w->p->steps; i++) {
    char name[40];
    want(&all, name, snprintf(name, sizeof name, "%s%s", wk_c_kernel_name(w->p->step[i].kernel), eight(w)));
  }
  for (int i = 0; i < all.count; i++)
    if (all.part[i].wanted)
      wk_text_append(&w->draft, all.part[i].text, (size_t)all.part[i].text_size);
}

static void add_labels(printer *w) {
  const wk_net *net = w->p->net;
  wk_text_add(&w->draft, "const char *const nn_labels[NN_CLASSES] = {");
  for (int i = 0; i < net->classes; i++) {
    wk_text_add(&w->draft, i ? ",\n    " : "\n    ");
    add_string(w, net->labels[i]);
  }
  wk_text_add(&w->draft, "};\n\n");
}

static void add_check(printer *w) {
  wk_text_add(&w->draft,
              "int nn_check(const void *weights, size_t bytes) {\n"
              "  const unsigned char *b = (const unsigned char *)weights;\n"
              "  const uint32_t one = 1;\n"
              "  uint32_t word, sum = 2166136261u;\n"
              "  size_t i;\n"
              "  if (bytes != NN_WEIGHT_BYTES || (uintptr_t)b %% 4 || memcmp(b, \"WKC1\", 4) != 0)\n"
              "    return 1;\n"
              "  if (*(const unsigned char *)&one != 1) /* not little-endian */\n"
              "    return 1;\n"
              "  for (i = %d; i < bytes; i += 4) {\n"
              "    memcpy(&word, b + i, 4);\n"
              "    sum = (sum ^ word) * 16777619u;\n"
              "  }\n"
              "  return sum != %luu;\n"
              "}\n\n",
              WK_C_HEAD, (unsigned long)w->p->fingerprint);
  wk_text_add(&w->draft, "void nn_softmax(float *score) {\n"
                         "  float most = score[0], sum = 0.0f;\n"
                         "  int i;\n"
                         "  for (i = 1; i < NN_CLASSES; i++)\n"
                         "    most = score[i] > most ? score[i] : most;\n"
                         "  for (i = 0; i < NN_CLASSES; i++)\n"
                         "    sum += score[i] = expf(score[i] - most);\n"
                         "  for (i = 0; i < NN_CLASSES; i++)\n"
                         "    score[i] /= sum;\n"
                         "}\n\n");
}

static void add_float(wk_text *t, float x) {
  char number[32];
  snprintf(number, sizeof number, "%.9g", (double)x);
  wk_text_add(t, "%s%sf", number, strpbrk(number, ".e") ? "" : ".0");
}

static void add_layers(printer *w) {
  wk_text *t = &w->draft;
  wk_text_add(t, "static const nn_layer nn_layers[] = {\n");
  for (int i = 0; i < w->p->steps; i++) {
    const nn_layer *l = &w->p->step[i].layer;
    wk_text_add(t, "    {%d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, %d, ", l->ih,
                l->iw, l->ic, l->oh, l->ow, l->oc, l->kh, l->kw, l->sh, l->sw, l->dh, l->dw, l->top, l->left, l->bottom,
                l->right, l->groups, l->act, l->first, l->count);
    add_float(t, l->alpha);
    wk_text_add(t, ", ");
    add_float(t, l->beta);
    wk_text_add(t, ", ");
    add_float(t, l->bias);
    wk_text_add(t, "}%s /* ", i + 1 < w->p->steps ? "," : "");
    add_comment(w, w->p->net->layer[w->p->step[i].of].name);
    wk_text_add(t, " */\n");
  }
  wk_text_add(t, "};\n\n");
}

static void add_place(wk_text *t, int64_t at) {
  if (at == WK_C_PHOTO)
    wk_text_add(t, ", rgb");
  else if (at == WK_C_NOTHING)
    wk_text_add(t, ", 0");
  else
    wk_text_add(t, ", work + %lld", (long long)at);
}

/* In 8 bits: each call's scales and zeros. */
static void add_steps(printer *w) {
  wk_text *t = &w->draft;
  wk_text_add(t, "static const nn_steps nn_steps_of[] = {\n");
  for (int i = 0; i < w->p->steps; i++) {
    const wk_c_step *s = &w->p->step[i];
    wk_text_add(t, "    {");
    add_float(t, s->of_in.scale);
    wk_text_add(t, ", ");
    add_float(t, s->of_other.scale);
    wk_text_add(t, ", ");
    add_float(t, s->of_out.scale);
    wk_text_add(t, ", %d, %d, %d}%s\n", (int)s->of_in.zero, (int)s->of_other.zero, (int)s->of_out.zero,
                i + 1 < w->p->steps ? "," : "");
  }
  wk_text_add(t, "};\n\n");
}

static void add_calls(printer *w) {
  wk_text *t = &w->draft;
  const bool small = w->p->quant != NULL;
  wk_text_add(t,
              "void nn_logits(float *logits, const unsigned char *rgb, const void *weights, %s *work) {\n"
              "  const nn_layer *l = nn_layers;\n"
              "  const unsigned char *b = (const unsigned char *)weights;\n%s",
              number_type(w), small ? "  const nn_steps *s = nn_steps_of;\n  int i;\n" : "");
  for (int i = 0; i < w->p->steps; i++) {
    const wk_c_step *s = &w->p->step[i];
    wk_text_add(t, "  nn_%s%s(l + %d", wk_c_kernel_name(s->kernel), eight(w), i);
    if (small)
      wk_text_add(t, ", s + %d", i);
    add_place(t, s->out);
    add_place(t, s->in);
    add_place(t, s->other);
    if (!s->weights)
      wk_text_add(t, ", 0);\n");
    else if (small)
      wk_text_add(t, ", b + %zu);\n", s->weights);
    else
      wk_text_add(t, ", (const float *)(const void *)(b + %zu));\n", s->weights);
  }
  if (small) {
    wk_text_add(t, "  for (i = 0; i < NN_CLASSES; i++)\n    logits[i] = nn_real(work[%lld + i], ",
                (long long)w->p->logits);
    add_float(t, w->p->end.scale);
    wk_text_add(t, ", %d);\n}\n", (int)w->p->end.zero);
  } else {
    wk_text_add(t, "  memcpy(logits, work + %lld, NN_CLASSES * sizeof *logits);\n}\n", (long long)w->p->logits);
  }
}

wk_status wk_c_print(const wk_c_program *p, const char *path, const char *prefix, const char *weights, wk_error *err) {
  wk_status st = WK_OK;
  printer w = {.p = p, .lower = prefix, .upper = wk_strdup(prefix)};
  WK_FAIL_IF(!w.upper, err, WK_ERR_MEMORY, "out of memory for an export");
  for (char *c = w.upper; *c; c++)
    *c = (char)toupper((unsigned char)*c);
  add_head(&w, weights);
  add_declarations(&w);
  wk_text_add(&w.draft, "#ifdef NN_IMPLEMENTATION\n#include <math.h>\n#include <stdint.h>\n#include <string.h>\n\n");
  add_kernels(&w);
  add_labels(&w);
  add_check(&w);
  add_layers(&w);
  if (p->quant)
    add_steps(&w);
  add_calls(&w);
  wk_text_add(&w.draft, "#endif\n");
  settle(&w);
  WK_FAIL_IF(w.out.failed, err, WK_ERR_MEMORY, "out of memory for an export");
  st = wk_file_write(path, w.out.data, w.out.len, err);
done:
  wk_text_free(&w.draft);
  wk_text_free(&w.out);
  wk_free(w.upper);
  return st;
}
