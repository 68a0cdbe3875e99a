# What makes a memory error end the process instead of becoming somebody's tool, where it costs nothing: canaries on the
# stack, checked copies (_FORTIFY_SOURCE), tables that are read-only once linked (RELRO), an address that differs each time
# (PIE). Control-flow protection (CET) is left out: Debian's own start-up objects lack it, so the loader would not turn it on.
# tests/house/hardening.sh looks whether the command and the shared library have it. Sanitizers find more, and do not go
# together with checked copies.
include(CheckPIESupported)
check_pie_supported()
add_library(whisker_hardened INTERFACE)
if(NOT WHISKER_SANITIZE)
  target_compile_options(whisker_hardened INTERFACE -fstack-protector-strong -fstack-clash-protection)
  # Checked copies need optimisation.
  target_compile_options(whisker_hardened INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(whisker_hardened INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
