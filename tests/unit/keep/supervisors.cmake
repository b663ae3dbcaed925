# Supervisors: the policy by itself, then over a loop in virtual time, with toys for children.
belay_test(keep_supervisor_policy SOURCES test_supervisor_policy.c LABELS unit)
add_library(supervisor_kit STATIC supervisor_kit.c)
target_include_directories(supervisor_kit PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(supervisor_kit PRIVATE _GNU_SOURCE)
target_link_libraries(supervisor_kit PRIVATE belay_flags PUBLIC loop_fake test_support belay_static PkgConfig::CMOCKA)

foreach(noun supervisor supervisor_life supervisor_loop supervisor_memory supervisor_nouns supervisor_tree
        supervisor_wishes)
  belay_test(keep_${noun} SOURCES test_${noun}.c LABELS unit LIBS supervisor_kit)
endforeach()

belay_test(keep_supervisor_threads SOURCES test_supervisor_threads.c LABELS unit)

# Names of processes.
belay_test(keep_registry SOURCES test_registry.c LABELS unit LIBS process_kit)
