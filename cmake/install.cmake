# What `cmake --install` puts where: the command, both libraries, the public headers, and a pkg-config file.
install(TARGETS whisker_static whisker_shared)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/whisker DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Licences of what lies inside the library (web/vendor) go with every copy of it.
install(FILES web/vendor/LICENSE-preact web/vendor/LICENSE-htm DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The libraries under a static libwhisker are named one by one in Libs.private. Requires.private would be shorter, but
# then `pkg-config --static` asks for everything that those libraries were themselves built with (libarchive alone: half a
# dozen development packages), which nobody needs as long as they are linked as shared libraries.
set(WHISKER_PC_PRIVATE "")
foreach(library ${JPEG_LIBRARIES} ${PNG_LIBRARIES} ${ZLIB_LIBRARIES} ${WEBP_LIBRARIES} ${TIFF_LIBRARIES} ${JANSSON_LIBRARIES}
    ${CRYPTO_LIBRARIES} ${LIBZIP_LIBRARIES} ${LIBARCHIVE_LIBRARIES} gif lbfgs m ${CMAKE_DL_LIBS})
  list(APPEND WHISKER_PC_PRIVATE -l${library})
endforeach()
list(REMOVE_DUPLICATES WHISKER_PC_PRIVATE)
list(JOIN WHISKER_PC_PRIVATE " " WHISKER_PC_PRIVATE)
file(RELATIVE_PATH WHISKER_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" WHISKER_PC_UP "${WHISKER_PC_UP}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/whisker.pc.in ${PROJECT_BINARY_DIR}/whisker.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/whisker.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
