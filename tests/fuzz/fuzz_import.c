/* fuzz_import.c - see fuzz_import.h. */
#include "fuzz_import.h"

#include <stdlib.h>
#include <string.h>

#include "import/lower.h"
#include "import/reader.h"
#include "whisker/import.h"

void fuzz_import(const uint8_t *bytes, size_t size) {
  wk_error err;
  for (int i = 0; i < WK_READERS; i++) {
    if (!wk_readers[i].is(bytes, size))
      continue;
    wk_ir ir;
    wk_lowered low = {0};
    wk_ir_init(&ir);
    if (wk_readers[i].read(&ir, bytes, size, "/nonexistent/file", &err) == WK_OK &&
        wk_lower_network(&low, &ir, 0, 0, &err) == WK_OK) {
      if (wk_graph_check_weights(low.graph, low.weights, -1, &err) != WK_OK)
        abort();
      wk_graph_free(low.graph);
      wk_tensors_free(low.weights);
    }
    wk_ir_free(&ir);
  }
  if (size && *bytes == '{') {
    char *text = malloc(size + 1);
    wk_graph *g = NULL;
    if (!text)
      return;
    memcpy(text, bytes, size);
    text[size] = 0;
    if (wk_graph_from_json(&g, text, &err) == WK_OK)
      wk_graph_free(g);
    free(text);
  }
}
