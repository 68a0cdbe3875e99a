/* embedded.h - texts of web/ that the build puts inside the library (cmake/embed.cmake). */
#ifndef WK_REPORT_EMBEDDED_H
#define WK_REPORT_EMBEDDED_H

extern const unsigned char wk_page_map[];
extern const unsigned long wk_page_map_size;
extern const unsigned char wk_page_gallery[];
extern const unsigned long wk_page_gallery_size;
extern const unsigned char wk_page_check[];
extern const unsigned long wk_page_check_size;

#endif
