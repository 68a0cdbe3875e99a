/* isa.h - for files that are compiled once an instruction set (cmake/isa.cmake): names with the set's suffix. */
#ifndef WK_BASE_ISA_H
#define WK_BASE_ISA_H

#ifdef WK_ISA_NAME
#define WK_ISA_PASTE2(a, b) a##_##b
#define WK_ISA_PASTE(a, b) WK_ISA_PASTE2(a, b)
#define WK_ISA_FN(name) WK_ISA_PASTE(name, WK_ISA_NAME)
#endif

/* Declares NAME_c and, on x86, its siblings: WK_ISA_DECLARE(void, wk_thing, (float *out, int n)); */
#if defined(__x86_64__)
#define WK_ISA_DECLARE(type, name, args) \
  type name##_c args;                    \
  type name##_avx2 args;                 \
  type name##_avx512 args
/* The table to index with wk_cpu_isa(). */
#define WK_ISA_TABLE(name) {name##_c, name##_avx2, name##_avx512}
#else
#define WK_ISA_DECLARE(type, name, args) type name##_c args
#define WK_ISA_TABLE(name) {name##_c}
#endif

#endif
