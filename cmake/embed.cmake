# A text file inside the library, as the bytes it has.
#
# wk_embed(FILE NAME) adds an object to the library that defines
#   const unsigned char NAME[]; const unsigned long NAME_size;
# Run as a script (cmake -P) it writes that source; so the build makes it anew when the text changes.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  file(WRITE ${OUT} "extern const unsigned char ${NAME}[];\nextern const unsigned long ${NAME}_size;\nconst unsigned char ${NAME}[] = {\n${bytes}0};\nconst unsigned long ${NAME}_size = sizeof ${NAME} - 1;\n")
  return()
endif()

function(wk_embed file name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  set(script ${PROJECT_SOURCE_DIR}/cmake/embed.cmake)
  add_custom_command(OUTPUT ${out} DEPENDS ${file} ${script} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DNAME=${name} -P ${script})
  add_library(whisker_${name} OBJECT ${out})
  target_link_libraries(whisker_${name} PRIVATE whisker_flags)
  target_include_directories(whisker_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  set_property(GLOBAL APPEND PROPERTY WHISKER_ISA_OBJECTS $<TARGET_OBJECTS:whisker_${name}>)
endfunction()
