# SPDX-License-Identifier: Apache-2.0
# coroscope_tests(): one Catch2 executable for a component's tests, each test case a ctest test.
#
#   coroscope_tests(
#       NAME runtime                 # target coroscope_runtime_tests; tests are "runtime: ..."
#       SOURCES coro_test.cpp ...
#       LINKS coroscope::runtime
#       [LABELS unit]                # default: unit; at least one of the kinds below
#       [TIMEOUT 30]                 # seconds for each test case; default: 60
#       [NO_PCH])                    # for sources that are compiled with flags of their own
#
# COROSCOPE_TESTS_TAGGED, a regular expression, leaves out the source files in which no tag matches it:
# a sanitizer that only some cases are for need not compile the others. Hidden cases stay, since
# others run them.
#
# COROSCOPE_TESTS_BY_FILE makes the unit tests of one source file one ctest test, in one process: a
# sanitizer's start and end take longer than most of the cases.
#
# A test case's tags refine its labels: a tag that names a kind ([integration], [golden],
# [stress], ...) replaces LABELS, [threads] and [slow] are added, and [serial] keeps the case from
# running beside others. Test cases are listed by the executable itself when ctest starts, so
# building never runs a program.

# Without this the first of our executables would pay for compiling Catch2's own main. Linked after a
# test's own files, as a library's main is: of templates that both use, the test's instances are taken.
add_library(coroscope_test_main STATIC "${PROJECT_SOURCE_DIR}/tests/support/test_main.cpp")
target_link_libraries(coroscope_test_main PUBLIC coroscope_sanitizer)
target_compile_features(coroscope_test_main PRIVATE cxx_std_20)
set_target_properties(coroscope_test_main PROPERTIES CXX_EXTENSIONS OFF)
if(TARGET Catch2::Catch2)
    target_link_libraries(coroscope_test_main PUBLIC Catch2::Catch2)
endif()

# Owner of the precompiled header that all test executables share. An executable, so that its
# flags are theirs; it is never run.
add_executable(coroscope_test_pch "${PROJECT_SOURCE_DIR}/tests/support/precompiled.cpp")
function(coroscope_test_settings target)
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_compile_features(${target} PRIVATE cxx_std_20)
    # Tests of several files may give different things the same name.
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF UNITY_BUILD OFF)
    target_link_libraries(${target} PRIVATE
        coroscope_test_main coroscope_warnings coroscope_sanitizer
        Boost::headers Threads::Threads)
    # What ccache asks for before it caches users of a precompiled header.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE -fpch-preprocess)
    else()
        target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    endif()
endfunction()
coroscope_test_settings(coroscope_test_pch)
set(coroscope_precompiled "${PROJECT_SOURCE_DIR}/tests/support/precompiled.hpp")
if(COROSCOPE_PRECOMPILE_OWN)
    list(APPEND coroscope_precompiled "${PROJECT_SOURCE_DIR}/tests/support/precompiled_own.hpp")
    target_link_libraries(coroscope_test_pch PRIVATE coroscope::runtime)
endif()
target_precompile_headers(coroscope_test_pch PRIVATE ${coroscope_precompiled})

# What `ctest -L unit` runs, and nothing else.
add_custom_target(coroscope_unit_tests)

function(coroscope_tests)
    cmake_parse_arguments(PARSE_ARGV 0 arg "NO_PCH" "NAME;TIMEOUT" "SOURCES;LINKS;LABELS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME)
        message(FATAL_ERROR "coroscope_tests: NAME is missing, or these arguments are unknown: "
            "${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_SOURCES)
        message(STATUS "coroscope: ${arg_NAME} has no tests yet")
        return()
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()

    if(COROSCOPE_TESTS_TAGGED)
        set(tagged "")
        foreach(source IN LISTS arg_SOURCES)
            file(STRINGS "${source}" lines
                REGEX "\"[^\"]*\\[([.]|${COROSCOPE_TESTS_TAGGED})\\]" LIMIT_COUNT 1)
            if(lines)
                list(APPEND tagged "${source}")
            endif()
        endforeach()
        set(arg_SOURCES ${tagged})
        if(NOT arg_SOURCES)
            return()
        endif()
    endif()

    set(target coroscope_${arg_NAME}_tests)
    add_executable(${target} ${arg_SOURCES})
    coroscope_test_settings(${target})
    target_link_libraries(${target} PRIVATE ${arg_LINKS})
    if(NOT arg_NO_PCH)
        target_precompile_headers(${target} REUSE_FROM coroscope_test_pch)
    endif()
    if("unit" IN_LIST arg_LABELS)
        add_dependencies(coroscope_unit_tests ${target})
    endif()

    list(JOIN arg_LABELS "," labels)
    set(entries by-case)
    if(COROSCOPE_TESTS_BY_FILE)
        set(entries by-file)
    endif()
    set(list_file "${CMAKE_CURRENT_BINARY_DIR}/${target}_${entries}.cmake")
    set(include_file "${CMAKE_CURRENT_BINARY_DIR}/${target}_include.cmake")
    file(GENERATE OUTPUT "${include_file}" CONTENT "\
set(program \"$<TARGET_FILE:${target}>\")
set(list_file \"${list_file}\")
set(prefix \"${arg_NAME}: \")
set(labels \"${labels}\")
set(timeout \"${arg_TIMEOUT}\")
set(folder \"${CMAKE_CURRENT_BINARY_DIR}\")
set(entries \"${entries}\")
include(\"${PROJECT_SOURCE_DIR}/cmake/ListTestCases.cmake\")
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include_file}")
endfunction()

# coroscope_watch_all_loops(): a test executable in the unannotated mode of race detection. Each run of
# a loop is watched, whoever made the loop, and what is found fails the test case.
if(TARGET coroscope_race_hooks AND NOT COROSCOPE_TESTS_TAGGED)
    add_library(coroscope_watched_loops STATIC
        "${PROJECT_SOURCE_DIR}/tests/support/watched_loops.cpp")
    coroscope_test_settings(coroscope_watched_loops)
    target_link_libraries(coroscope_watched_loops PUBLIC coroscope::instrumentation)
endif()

function(coroscope_watch_all_loops target)
    coroscope_detect_races(${target})
    target_link_libraries(${target} PRIVATE coroscope_watched_loops)
    target_link_options(${target} PRIVATE
        LINKER:--wrap=_ZN9coroscope4loop11run_foreverEv
        LINKER:--wrap=_ZN9coroscope4loop14run_until_doneERNS_6detail10completionE)
    # Of its own, since the shared one is compiled without the mode's flags.
    target_precompile_headers(${target} PRIVATE ${coroscope_precompiled})
endfunction()
