/* exp.h (internal) - e^x in plain arithmetic, so that loops over it become vector code. */
#ifndef WK_NN_EXP_H
#define WK_NN_EXP_H

#include <stdint.h>

/* e^x within 2 units in the last place, without branches so that loops over it vectorise. x is clamped to where the
 * result is a normal float; not-a-number stays what it is. */
static inline float wk_exp(float x) {
  float y = x < -87.0f ? -87.0f : x;
  y = y > 88.0f ? 88.0f : y;
  const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
  union {
    float f;
    uint32_t u;
  } whole = {y * 1.44269504088896341f + magic}, scale;
  float n = whole.f - magic;
  float r = (y - n * 0.693359375f) - n * -2.12194440e-4f; /* ln 2 in two parts */
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  scale.u = (whole.u + 127) << 23; /* the whole number stands in the low bits */
  return p * scale.f;
}

#endif
