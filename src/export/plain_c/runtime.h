/* runtime.h - the texts of runtime/, which the build puts inside the library (cmake/embed.cmake) as well. */
#ifndef WK_EXPORT_RUNTIME_H
#define WK_EXPORT_RUNTIME_H

extern const unsigned char wk_c_runtime_layer[];
extern const unsigned long wk_c_runtime_layer_size;
extern const unsigned char wk_c_runtime_shared[];
extern const unsigned long wk_c_runtime_shared_size;
extern const unsigned char wk_c_runtime_int8_kernels[];
extern const unsigned long wk_c_runtime_int8_kernels_size;
extern const unsigned char wk_c_runtime_float_kernels[];
extern const unsigned long wk_c_runtime_float_kernels_size;

#endif
