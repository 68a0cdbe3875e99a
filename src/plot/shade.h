/* shade.h (internal) - the colours that lie over a photo where something speaks for a class or against it. */
#ifndef WK_PLOT_SHADE_H
#define WK_PLOT_SHADE_H

/* For t in -1 (against) .. 1 (for): the colour (0..255), and how much of it lies over the photo. Weak evidence hardly
 * shows, strong evidence covers three quarters of the photo; what speaks against, half of it. */
void wk_attribution_shade(float rgb[3], float *alpha, float t);

#endif
