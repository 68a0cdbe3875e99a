/* cpu.c - which instruction sets this machine can run. AVX state must be enabled by the operating system as well as
 * present in the processor; the compiler's built-in checks both. */
#include "base/base.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Not known by name to every compiler's __builtin_cpu_supports. */
static bool has_f16c(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

wk_isa wk_cpu_isa(void) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
    return WK_ISA_C;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
             ? WK_ISA_AVX512
             : WK_ISA_AVX2;
}

bool wk_cpu_has_vnni(void) { return wk_cpu_isa() == WK_ISA_AVX512 && __builtin_cpu_supports("avx512vnni"); }
bool wk_cpu_has_bf16(void) { return wk_cpu_isa() == WK_ISA_AVX512 && __builtin_cpu_supports("avx512bf16"); }
#else
wk_isa wk_cpu_isa(void) { return WK_ISA_C; }
bool wk_cpu_has_vnni(void) { return false; }
bool wk_cpu_has_bf16(void) { return false; }
#endif

const char *wk_isa_name(wk_isa isa) {
  static const char *const name[] = {"plain C", "AVX2", "AVX-512"};
  return (unsigned)isa < sizeof name / sizeof *name ? name[isa] : "unknown";
}
