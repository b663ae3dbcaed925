# gRPC's own C++ library, for a server in the tests and a client in the benchmarks; C++ is nowhere
# else needed. Defines the target grpc_cpp where all of it is there: libgrpc++-dev, libprotobuf-dev,
# protobuf-compiler-grpc, grpc-proto. To be included by the folder that uses it.
include(CheckLanguage)
check_language(CXX)
find_path(GRPC_CPP_INCLUDE grpcpp/grpcpp.h)
find_path(GRPC_CPP_PROTOS grpc/testing/test.proto PATHS /usr/share/grpc-proto)
foreach(name grpc++ grpc gpr protobuf absl_synchronization)
  find_library(GRPC_CPP_LIB_${name} ${name})
  list(APPEND GRPC_CPP_LIBS ${GRPC_CPP_LIB_${name}})
endforeach()
find_program(GRPC_CPP_PROTOC protoc)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin)
if(CMAKE_CXX_COMPILER AND GRPC_CPP_INCLUDE AND GRPC_CPP_PROTOS AND NOT "${GRPC_CPP_LIBS}" MATCHES "NOTFOUND"
   AND GRPC_CPP_PROTOC AND GRPC_CPP_PLUGIN)
  enable_language(CXX)
  if(NOT TARGET grpc_cpp)
    add_library(grpc_cpp INTERFACE)
    target_include_directories(grpc_cpp SYSTEM INTERFACE ${GRPC_CPP_INCLUDE})
    target_compile_features(grpc_cpp INTERFACE cxx_std_17)
    target_link_libraries(grpc_cpp INTERFACE ${GRPC_CPP_LIBS} Threads::Threads)
  endif()
endif()

# grpc_cpp_program(NAME OPTIMISE SOURCES...), with -O0 or -O2: no sanitizer sees it, as its libraries
# have none; built when it is asked for.
function(grpc_cpp_program name optimise)
  add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
  set_target_properties(${name} PROPERTIES COMPILE_OPTIONS "${optimise};-Wall;-Wextra" LINK_OPTIONS "" CXX_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE grpc_cpp)
endfunction()

# grpc_cpp_testing(RET): sources made of grpc/testing/test.proto and what it imports.
function(grpc_cpp_testing ret)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/proto)
  set(made)
  foreach(proto empty messages test)
    list(APPEND made ${out}/grpc/testing/${proto}.pb.cc)
    list(APPEND protos grpc/testing/${proto}.proto)
  endforeach()
  list(APPEND made ${out}/grpc/testing/test.grpc.pb.cc)
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
    COMMAND ${GRPC_CPP_PROTOC} -I ${GRPC_CPP_PROTOS} --cpp_out=${out} --grpc_out=${out}
            --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${protos}
    COMMENT "Generating gRPC's testing service" VERBATIM)
  set_source_files_properties(${made} PROPERTIES COMPILE_OPTIONS "-w")
  set(${ret} ${made} PARENT_SCOPE)
endfunction()
