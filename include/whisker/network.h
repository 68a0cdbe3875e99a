/* network.h - a network as a drawing: one row a layer, lines from where its inputs come. */
#ifndef WHISKER_NETWORK_H
#define WHISKER_NETWORK_H

#include "whisker/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes an SVG of the graph at that input size (0, 0: its default): a row a layer with name, kind, size of its output
 * (height x width x channels), parameters and multiply-adds; stages in bands. What stands at `path` and is not such a
 * drawing is left alone: WK_ERR_IO. The same graph gives the same bytes. */
WK_API wk_status wk_network_draw(const char *path, const wk_graph *g, int height, int width, const char *title,
                                 wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
