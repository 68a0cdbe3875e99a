# The libraries whisker stands on. Debian's package names are in ./run, which installs what is missing.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)

# Libraries without a pkg-config file.
function(wk_find_plain target header library)
  find_path(${target}_INCLUDE_DIR ${header} REQUIRED)
  find_library(${target}_LIBRARY ${library} REQUIRED)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} INTERFACE ${${target}_INCLUDE_DIR})
  target_link_libraries(${target} INTERFACE ${${target}_LIBRARY})
endfunction()
wk_find_plain(wk_dnnl dnnl.h dnnl)
wk_find_plain(wk_gif gif_lib.h gif)
wk_find_plain(wk_lbfgs lbfgs.h lbfgs)
# Debian builds oneDNN with OpenMP; its thread count is set through the same runtime.
find_package(OpenMP REQUIRED COMPONENTS C)
