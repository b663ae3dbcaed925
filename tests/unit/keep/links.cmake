# Links, in virtual time.
add_library(link_kit STATIC link_kit.c)
target_include_directories(link_kit PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(link_kit PRIVATE _GNU_SOURCE)
target_link_libraries(link_kit PRIVATE belay_flags PUBLIC loop_fake test_support belay_static PkgConfig::CMOCKA)

belay_test(keep_link_policy SOURCES test_link_policy.c LABELS unit)
foreach(noun link link_edges link_move link_callbacks link_waits link_odd link_memory link_child)
  belay_test(keep_${noun} SOURCES test_${noun}.c LABELS unit LIBS link_kit)
endforeach()
belay_test(keep_link_real SOURCES test_link_real.c LABELS unit LIBS conn_kit test_support)
belay_test(keep_link_greeting SOURCES test_link_greeting.c ../net/test_tls_kit.c LABELS unit LIBS conn_kit test_support)
belay_test(keep_link_threads SOURCES test_link_threads.c share_echo.c LABELS unit LIBS test_support)
