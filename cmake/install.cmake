# Headers, libraries, pkg-config file and CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/belay DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS belay belay_static EXPORT belay-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

if(BELAY_HTTP)
  set(BELAY_PC_HTTP " libnghttp2")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/belay.pc.in ${PROJECT_BINARY_DIR}/belay.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/belay.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(EXPORT belay-targets NAMESPACE belay:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/belay)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/belay-config.cmake.in
  ${PROJECT_BINARY_DIR}/belay-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/belay)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/belay-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/belay-config.cmake ${PROJECT_BINARY_DIR}/belay-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/belay)
