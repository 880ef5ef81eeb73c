# SPDX-License-Identifier: Apache-2.0
# Finds the third-party packages that the chosen parts need. A missing one stops the configuration
# with the name of the Debian package that has it and of the option that does without it. Only what a
# single example needs is left out, with a message that says so.

function(coroscope_require found package debian reason)
    if(NOT found)
        message(FATAL_ERROR
            "coroscope: ${package} was not found. It is needed for ${reason}.\n"
            "On Debian or Ubuntu: apt-get install ${debian} (scripts/setup installs everything).")
    endif()
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Boost 1.81 QUIET)
coroscope_require("${Boost_FOUND}" "Boost 1.81 or newer" libboost1.81-dev "the runtime (Boost.Asio)")

if(COROSCOPE_BUILD_TLS)
    find_package(OpenSSL 3.0 QUIET)
    coroscope_require("${OPENSSL_FOUND}" "OpenSSL 3.0 or newer" libssl-dev
        "TLS streams; turn off COROSCOPE_BUILD_TLS to do without")
endif()
if(COROSCOPE_BUILD_REPORT)
    find_package(nlohmann_json 3.9 QUIET)
    coroscope_require("${nlohmann_json_FOUND}" "nlohmann/json" nlohmann-json3-dev
        "reports and the protocol; turn off COROSCOPE_BUILD_INSTRUMENTATION, _TESTKIT and _SERVER \
to do without")
endif()
if(COROSCOPE_BUILD_STACKS)
    find_path(LIBUNWIND_INCLUDE_DIR libunwind-x86_64.h)
    find_library(LIBUNWIND_LIBRARY unwind-x86_64)
    find_path(LIBDW_INCLUDE_DIR elfutils/libdwfl.h)
    find_library(LIBDW_LIBRARY dw)
    mark_as_advanced(LIBUNWIND_INCLUDE_DIR LIBUNWIND_LIBRARY LIBDW_INCLUDE_DIR LIBDW_LIBRARY)
    set(found OFF)
    if(LIBUNWIND_INCLUDE_DIR AND LIBUNWIND_LIBRARY)
        set(found ON)
    endif()
    coroscope_require("${found}" libunwind libunwind-dev
        "the stacks of the stall watchdog; turn off COROSCOPE_BUILD_STACKS to do without")
    set(found OFF)
    if(LIBDW_INCLUDE_DIR AND LIBDW_LIBRARY)
        set(found ON)
    endif()
    coroscope_require("${found}" "libdw of elfutils" libdw-dev
        "the stacks of the stall watchdog; turn off COROSCOPE_BUILD_STACKS to do without")
endif()
if(COROSCOPE_BUILD_GPERFTOOLS)
    # Newer versions have dropped the allocation hooks: it takes a program that uses them to see that.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES tcmalloc_minimal)
    check_cxx_source_compiles("
        #include <gperftools/malloc_hook.h>
        int main() { return MallocHook::AddNewHook(nullptr) ? 1 : 0; }"
        COROSCOPE_HAS_ALLOCATION_HOOKS)
    unset(CMAKE_REQUIRED_LIBRARIES)
    coroscope_require("${COROSCOPE_HAS_ALLOCATION_HOOKS}" "gperftools with allocation hooks"
        libgoogle-perftools-dev "memory_hooks that see malloc; turn off COROSCOPE_BUILD_GPERFTOOLS to \
have it replace operator new and delete, which does not see malloc")
endif()
if(COROSCOPE_BUILD_PROMETHEUS)
    # Not its CMake package, which wants civetweb and curl for parts of it that we do not use.
    find_path(PROMETHEUS_CPP_INCLUDE_DIR prometheus/text_serializer.h)
    find_library(PROMETHEUS_CPP_LIBRARY prometheus-cpp-core)
    mark_as_advanced(PROMETHEUS_CPP_INCLUDE_DIR PROMETHEUS_CPP_LIBRARY)
    set(found OFF)
    if(PROMETHEUS_CPP_INCLUDE_DIR AND PROMETHEUS_CPP_LIBRARY)
        set(found ON)
    endif()
    coroscope_require("${found}" "prometheus-cpp (core)" prometheus-cpp-dev
        "the Prometheus page; turn off COROSCOPE_BUILD_PROMETHEUS to do without")
endif()
if(COROSCOPE_BUILD_SERVER)
    find_package(CLI11 QUIET)
    coroscope_require("${CLI11_FOUND}" CLI11 libcli11-dev
        "the command line; turn off COROSCOPE_BUILD_SERVER to do without")
endif()
if(COROSCOPE_BUILD_EXAMPLES OR COROSCOPE_BUILD_TESTS)
    find_package(ZLIB QUIET)
    coroscope_require("${ZLIB_FOUND}" zlib zlib1g-dev
        "examples/docserver; turn off COROSCOPE_BUILD_EXAMPLES to do without")
endif()
if(COROSCOPE_BUILD_EXAMPLES)
    find_path(MOSQUITTO_INCLUDE_DIR mosquitto.h)
    find_library(MOSQUITTO_LIBRARY mosquitto)
    mark_as_advanced(MOSQUITTO_INCLUDE_DIR MOSQUITTO_LIBRARY)
    if(MOSQUITTO_INCLUDE_DIR AND MOSQUITTO_LIBRARY)
        add_library(mosquitto::mosquitto UNKNOWN IMPORTED)
        set_target_properties(mosquitto::mosquitto PROPERTIES
            IMPORTED_LOCATION "${MOSQUITTO_LIBRARY}"
            INTERFACE_INCLUDE_DIRECTORIES "${MOSQUITTO_INCLUDE_DIR}")
    else()
        message(STATUS "coroscope: examples/mqtt_rpc is not built, since libmosquitto was not "
            "found. On Debian or Ubuntu: apt-get install libmosquitto-dev")
    endif()
endif()
if(COROSCOPE_BUILD_EXAMPLES)
    find_package(GTest QUIET)
    find_package(doctest QUIET)
    foreach(framework IN ITEMS "GTest libgtest-dev" "doctest doctest-dev")
        string(REPLACE " " ";" framework "${framework}")
        list(GET framework 0 name)
        list(GET framework 1 package)
        if(NOT ${name}_FOUND)
            message(STATUS "coroscope: examples/test_frameworks is built without ${name}, which was "
                "not found. On Debian or Ubuntu: apt-get install ${package}")
        endif()
    endforeach()
endif()
if(COROSCOPE_BUILD_TESTS)
    find_package(Catch2 QUIET)
    coroscope_require("${Catch2_FOUND}" "Catch2 2.13 or 3" catch2
        "our tests; turn off COROSCOPE_BUILD_TESTS to do without")
    find_package(Python3 3.9 QUIET COMPONENTS Interpreter)
    coroscope_require("${Python3_Interpreter_FOUND}" "Python 3.9 or newer" python3
        "the policy tests; turn off COROSCOPE_BUILD_TESTS to do without")
endif()
