# belay_protobuf_c(NAME FILE.proto): a static library of what protoc-c makes of it, which is not ours to warn about. Its
# header is FILE.pb-c.h.
find_program(PROTOC_C protoc-c)

function(belay_protobuf_c name proto)
  get_filename_component(file ${proto} NAME_WE)
  get_filename_component(dir ${proto} DIRECTORY)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name})
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${out}/${file}.pb-c.c ${out}/${file}.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${out} --proto_path=${dir} ${proto} DEPENDS ${proto})
  add_library(${name} STATIC ${out}/${file}.pb-c.c ${out}/${file}.pb-c.h)
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC PkgConfig::PROTOBUF-C)
endfunction()
