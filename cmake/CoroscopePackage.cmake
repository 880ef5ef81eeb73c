# SPDX-License-Identifier: Apache-2.0
# Installation and the package that find_package(coroscope COMPONENTS ...) reads. Each component has
# its own target file, so that a user of the runtime need not have what the server depends on.

if(NOT COROSCOPE_INSTALL)
    return()
endif()
include(CMakePackageConfigHelpers)

# The package that provides an imported target, as arguments of find_dependency().
set(provider_of_Boost "Boost 1.81")
set(provider_of_Threads "Threads")
set(provider_of_nlohmann_json "nlohmann_json 3.9")
set(provider_of_OpenSSL "OpenSSL 3.0")
set(provider_of_ZLIB "ZLIB")

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/coroscope")
set(dependency_table "")
get_property(components GLOBAL PROPERTY COROSCOPE_COMPONENTS)
foreach(component IN LISTS components)
    get_property(links GLOBAL PROPERTY COROSCOPE_LINKS_${component})
    set(ours "")
    set(theirs "")
    foreach(link IN LISTS links)
        if(link MATCHES "^coroscope(::|_)(.+)$")
            list(APPEND ours "${CMAKE_MATCH_2}")
        elseif(link MATCHES "^([^:]+)::")
            if(NOT DEFINED provider_of_${CMAKE_MATCH_1})
                message(FATAL_ERROR "CoroscopePackage.cmake does not know which package provides "
                    "${link}, which ${component} links; add a line provider_of_${CMAKE_MATCH_1}")
            endif()
            list(APPEND theirs "${provider_of_${CMAKE_MATCH_1}}")
        endif()
    endforeach()
    list(REMOVE_DUPLICATES theirs)
    string(APPEND dependency_table
        "set(_coroscope_components_of_${component} \"${ours}\")\n"
        "set(_coroscope_packages_of_${component} \"${theirs}\")\n")
    install(EXPORT coroscope-${component}
        NAMESPACE coroscope:: FILE coroscope-${component}.cmake DESTINATION "${package_folder}")
endforeach()

configure_package_config_file(
    "${CMAKE_CURRENT_LIST_DIR}/coroscopeConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/coroscopeConfig.cmake"
    INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/coroscopeConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_LIST_DIR}/CoroscopeRaces.cmake"
    "${PROJECT_BINARY_DIR}/coroscopeConfig.cmake"
    "${PROJECT_BINARY_DIR}/coroscopeConfigVersion.cmake"
    DESTINATION "${package_folder}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
