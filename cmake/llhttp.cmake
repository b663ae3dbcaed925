# llhttp, the parser of HTTP/1.1: compiled into the library from its C sources, under names of belay's own, so that a
# program that brings its own llhttp does not meet this one. Without the sources: the system's library.
find_path(LLHTTP_SOURCE_DIR NAMES llhttp.c PATHS /usr/share/llhttp /usr/local/share/llhttp NO_DEFAULT_PATH)
find_path(LLHTTP_INCLUDE_DIR NAMES llhttp.h PATHS /usr/share/include/llhttp /usr/local/share/include/llhttp
          NO_DEFAULT_PATH)

# A header that renames every function which the sources define: llhttp_x becomes bl_llhttp_x. Strict mode is a matter of
# compile time: lines end in CRLF and nothing else.
function(llhttp_write_names path)
  set(names "")
  foreach(source ${ARGN})
    file(STRINGS ${source} lines REGEX "^[a-z].*[ *]llhttp_[a-zA-Z0-9_]+\\(")
    foreach(line ${lines})
      string(REGEX REPLACE "^[a-z].*[ *](llhttp_[a-zA-Z0-9_]+)\\(.*" "\\1" name "${line}")
      list(APPEND names ${name})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES names)
  list(TRANSFORM names REPLACE "(.+)" "#define \\1 bl_\\1\n")
  list(JOIN names "" text)
  file(CONFIGURE OUTPUT ${path} @ONLY CONTENT "#undef LLHTTP_STRICT_MODE\n#define LLHTTP_STRICT_MODE 1\n${text}")
endfunction()

if(LLHTTP_SOURCE_DIR AND LLHTTP_INCLUDE_DIR)
  set(llhttp_sources ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c ${LLHTTP_SOURCE_DIR}/llhttp.c)
  set(llhttp_names ${CMAKE_CURRENT_BINARY_DIR}/llhttp_names.h)
  llhttp_write_names(${llhttp_names} ${llhttp_sources})
  target_sources(belay_objects PRIVATE ${llhttp_sources})
  target_include_directories(belay_objects SYSTEM PRIVATE ${LLHTTP_INCLUDE_DIR})
  set_source_files_properties(${llhttp_sources} ${CMAKE_CURRENT_SOURCE_DIR}/h1_parse.c
    TARGET_DIRECTORY belay_objects PROPERTIES COMPILE_OPTIONS "-include;${llhttp_names}" OBJECT_DEPENDS ${llhttp_names})
  set_property(SOURCE ${llhttp_sources} TARGET_DIRECTORY belay_objects APPEND PROPERTY COMPILE_OPTIONS "-w")
else()
  pkg_check_modules(LLHTTP IMPORTED_TARGET GLOBAL libllhttp>=6)
  if(NOT LLHTTP_FOUND)
    message(FATAL_ERROR "llhttp was not found: neither its C sources (Debian: apt install node-llhttp) nor libllhttp "
                        "through pkg-config. Configure with -DBELAY_HTTP=OFF to leave HTTP out.")
  endif()
  target_link_libraries(belay_objects PRIVATE PkgConfig::LLHTTP)
  # The libraries are made later, in the folder above.
  cmake_language(DEFER DIRECTORY ${PROJECT_SOURCE_DIR}/src CALL target_link_libraries belay PRIVATE PkgConfig::LLHTTP)
  cmake_language(DEFER DIRECTORY ${PROJECT_SOURCE_DIR}/src CALL
                 target_link_libraries belay_static PUBLIC PkgConfig::LLHTTP)
endif()
