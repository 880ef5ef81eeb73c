# SPDX-License-Identifier: Apache-2.0
# What is built. As the top-level project: everything. As a subproject: the runtime alone,
# unless the parent asks for more; asking for a part turns on what that part needs.

include(GNUInstallDirs)

option(COROSCOPE_BUILD_INSTRUMENTATION "Build the profilers, the slow spotter, the detectors"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_TESTKIT "Build the test kit (needs the instrumentation)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_SERVER "Build the profiler server, its client and the command line"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_STACKS
    "Let the stall watchdog take native stacks (needs libunwind and elfutils, x86-64)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_GPERFTOOLS
    "Let memory_hooks see malloc (needs gperftools with its allocation hooks)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_PROMETHEUS
    "Build the Prometheus page of the profilers (needs the instrumentation and prometheus-cpp)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_TLS "Build TLS streams (needs OpenSSL)" ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_TESTS "Build our own tests (needs every component)" ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_EXAMPLES "Build the examples (needs every component)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_BENCHMARKS "Build the benchmarks (needs every component)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_BUILD_FUZZERS "Build the fuzz targets (needs every component)"
    ${PROJECT_IS_TOP_LEVEL})
option(COROSCOPE_INSTALL "Generate install rules" ${PROJECT_IS_TOP_LEVEL})

# Set by presets only, so that a user's newer compiler never turns a warning into a failed build.
option(COROSCOPE_WERROR "Treat warnings in our own sources as errors" OFF)
option(COROSCOPE_VERIFY_HEADERS
    "Add the target all_verify_interface_header_sets: each public header compiled alone" OFF)

option(COROSCOPE_TESTS_UNANNOTATED
    "Build all of the runtime's tests, and docserver's, in the unannotated mode of race detection too" OFF)
option(COROSCOPE_PRECOMPILE_OWN
    "Precompile headers of ours for the tests, too: for builds from nothing, as those of CI" OFF)

set(COROSCOPE_SANITIZE "" CACHE STRING
    "Sanitizer for all our targets: empty, address (with undefined), or thread")
set_property(CACHE COROSCOPE_SANITIZE PROPERTY STRINGS "" address thread)
if(NOT COROSCOPE_SANITIZE MATCHES "^(address|thread)?$")
    message(FATAL_ERROR
        "COROSCOPE_SANITIZE is '${COROSCOPE_SANITIZE}'; it must be empty, 'address' or 'thread'")
endif()

if(COROSCOPE_BUILD_TESTS OR COROSCOPE_BUILD_EXAMPLES OR COROSCOPE_BUILD_BENCHMARKS
        OR COROSCOPE_BUILD_FUZZERS)
    foreach(part IN ITEMS INSTRUMENTATION TESTKIT SERVER)
        if(NOT COROSCOPE_BUILD_${part})
            message(STATUS "coroscope: building ${part}, which tests, examples, benchmarks and "
                "fuzz targets need")
            set(COROSCOPE_BUILD_${part} ON)
        endif()
    endforeach()
endif()
if(COROSCOPE_BUILD_BENCHMARKS AND NOT COROSCOPE_BUILD_TLS)
    message(STATUS "coroscope: building TLS streams, which the benchmarks need")
    set(COROSCOPE_BUILD_TLS ON)
endif()
if(COROSCOPE_BUILD_TESTKIT OR COROSCOPE_BUILD_SERVER)
    set(COROSCOPE_BUILD_INSTRUMENTATION ON)
endif()
if(COROSCOPE_BUILD_STACKS AND NOT COROSCOPE_BUILD_INSTRUMENTATION)
    set(COROSCOPE_BUILD_STACKS OFF)
endif()
if(COROSCOPE_BUILD_PROMETHEUS AND NOT COROSCOPE_BUILD_INSTRUMENTATION)
    set(COROSCOPE_BUILD_PROMETHEUS OFF)
endif()
if(COROSCOPE_BUILD_STACKS AND NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    message(STATUS "coroscope: native stacks are taken on x86-64 only; the stall watchdog is built "
        "without them")
    set(COROSCOPE_BUILD_STACKS OFF)
endif()
if(COROSCOPE_BUILD_GPERFTOOLS AND (COROSCOPE_SANITIZE OR NOT COROSCOPE_BUILD_INSTRUMENTATION))
    set(COROSCOPE_BUILD_GPERFTOOLS OFF)
endif()
set(COROSCOPE_BUILD_REPORT ${COROSCOPE_BUILD_INSTRUMENTATION})

if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
        set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
    endif()
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
    find_program(COROSCOPE_LLD ld.lld DOC "Links builds for tests where it exists")
    if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
        find_program(COROSCOPE_CCACHE ccache DOC "Used for all compilations where it exists")
        if(COROSCOPE_CCACHE)
            # The sloppiness is what ccache asks for before it caches users of precompiled headers.
            set(CMAKE_CXX_COMPILER_LAUNCHER
                "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                "${COROSCOPE_CCACHE}")
        endif()
    endif()
endif()
