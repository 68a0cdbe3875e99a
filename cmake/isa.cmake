# Kernels are written once with compiler vector types and compiled once an instruction set.
#
# wk_isa_sources(FILE...) compiles each file with WK_ISA_NAME=c|avx2|avx512 and the flags of that set. The file names
# its functions with WK_ISA_FN(wk_thing), which gives wk_thing_c, wk_thing_avx2, wk_thing_avx512; a table in a
# neighbouring file picks one by wk_cpu_isa(). The plain C twin is always built.
set(WK_ISA_LIST c)
set(WK_ISA_FLAGS_c "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  list(APPEND WK_ISA_LIST avx2 avx512)
  set(WK_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
  set(WK_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512)
  # Of single files: what some processors have beside AVX-512 (wk_cpu_has_vnni, wk_cpu_has_bf16).
  set(WK_ISA_FLAGS_avx512vnni ${WK_ISA_FLAGS_avx512} -mavx512vnni)
  set(WK_ISA_FLAGS_avx512bf16 ${WK_ISA_FLAGS_avx512} -mavx512bf16)
  # GCC 13 and later fuse some multiply-adds and not others, so as to avoid chains of them: slower here, and then one sum
  # has other bits in a full vector than at an edge.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND WK_ISA_FLAGS_avx2 --param=avoid-fma-max-bits=0)
    list(APPEND WK_ISA_FLAGS_avx512 --param=avoid-fma-max-bits=0)
    list(APPEND WK_ISA_FLAGS_avx512vnni --param=avoid-fma-max-bits=0)
    list(APPEND WK_ISA_FLAGS_avx512bf16 --param=avoid-fma-max-bits=0)
  endif()
endif()

add_library(whisker_unchecked INTERFACE)
target_compile_options(whisker_unchecked INTERFACE -fno-sanitize=undefined)

# One file for one set; `isa` may also be a set of the file's own, with WK_ISA_FLAGS_<isa> beside the flags of WK_ISA_LIST.
function(wk_isa_object file isa)
  get_filename_component(stem ${file} NAME_WE)
  get_filename_component(room ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(target whisker_${room}_${stem}_${isa})
  add_library(${target} OBJECT ${file})
  target_link_libraries(${target} PRIVATE whisker_flags)
  # The C twin is the same source, and has its undefined behaviour looked for in the parity tests. Elsewhere the checks
  # would keep loops from being unrolled, and whatever runs a network would take ten times as long.
  if(WHISKER_SANITIZE MATCHES "undefined" AND NOT isa STREQUAL "c")
    target_link_libraries(${target} PRIVATE whisker_unchecked)
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(${target} PRIVATE WK_ISA_NAME=${isa})
  target_compile_options(${target} PRIVATE ${WK_ISA_FLAGS_${isa}})
  # No canaries: these are loops over ranges that their callers have checked, some called a million times a second.
  if(NOT WHISKER_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-stack-protector)
  endif()
  set_property(GLOBAL APPEND PROPERTY WHISKER_ISA_OBJECTS $<TARGET_OBJECTS:${target}>)
endfunction()

# Files whose unrolled loops have hundreds of loads a function. Address checks in line made one of them a third of the whole build under
# sanitizers (128 s of one file alone), so functions of more than a hundred loads make them by calls. Such calls are ten times as
# slow, which is why others, through which every network goes, have theirs in line.
set(WK_ISA_CHECKED_BY_CALL conv_grouped_sums.c)

# What every such file is compiled with; wk_isa_sources does this.
function(wk_isa_options file)
  # Fused multiply-add is wanted where the set has it. A property of the source, because a target's own options come
  # before those of whisker_flags, whose -ffp-contract=off would win.
  set(options -O3 -ffp-contract=fast)
  # Under sanitizers -O1 with fused multiply-add, which is one of the "expensive" optimisations: -O3 takes three times as
  # long to compile. Of the undefined behaviour what the address sanitizer would not see is looked for.
  if(WHISKER_SANITIZE)
    list(APPEND options -O1 -fexpensive-optimizations -g1)
    if(WHISKER_SANITIZE MATCHES "undefined" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
      list(APPEND options -fno-sanitize=null,alignment,pointer-overflow,object-size)
    endif()
    get_filename_component(name ${file} NAME)
    if(name IN_LIST WK_ISA_CHECKED_BY_CALL AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
      list(APPEND options --param=asan-instrumentation-with-call-threshold=100)
    endif()
  endif()
  set_property(SOURCE ${file} PROPERTY COMPILE_OPTIONS "${options}")
endfunction()

function(wk_isa_sources)
  foreach(file ${ARGN})
    wk_isa_options(${file})
    foreach(isa ${WK_ISA_LIST})
      wk_isa_object(${file} ${isa})
    endforeach()
  endforeach()
endfunction()
