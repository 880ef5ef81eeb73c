# SPDX-License-Identifier: Apache-2.0
# coroscope_detect_races(): the unannotated mode of race detection for a target.
#
#   add_executable(my_tests ...)
#   target_link_libraries(my_tests PRIVATE coroscope::testkit)
#   coroscope_detect_races(my_tests)
#
# Its sources are compiled with -fsanitize=thread, which makes the compiler call a function at each
# access to memory, and it is linked with coroscope::race_hooks, which has these functions. The
# sanitizer's own runtime is not linked: the flag stays out of the link. For a library the functions
# come with the program that links it. Part of the installed package as well.

function(coroscope_detect_races target)
    if(NOT TARGET "${target}")
        message(FATAL_ERROR "coroscope_detect_races(${target}): there is no such target")
    endif()
    if(NOT TARGET coroscope::race_hooks)
        message(FATAL_ERROR "coroscope_detect_races(${target}): there is no coroscope::race_hooks. "
            "It is built with COROSCOPE_BUILD_INSTRUMENTATION and COROSCOPE_BUILD_STACKS, on x86-64, "
            "and without COROSCOPE_SANITIZE; of an installed package ask for the component "
            "race_hooks")
    endif()
    string(TOUPPER "${CMAKE_BUILD_TYPE}" configuration)
    set(flags ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${configuration}} ${CMAKE_EXE_LINKER_FLAGS}
        ${CMAKE_SHARED_LINKER_FLAGS})
    foreach(property IN ITEMS COMPILE_OPTIONS LINK_OPTIONS)
        get_target_property(own "${target}" ${property})
        if(own)
            list(APPEND flags ${own})
        endif()
    endforeach()
    if("${flags}" MATCHES "-fsanitize=[a-z,-]*(address|thread|memory|leak)")
        message(FATAL_ERROR "coroscope_detect_races(${target}): it is built with the sanitizer "
            "${CMAKE_MATCH_0} already, whose runtime takes the same calls. Use another build for "
            "one of the two")
    endif()

    # Not at the entry and the exit of each function: callers are found by their frames. Lines and
    # expanded calls are read from the debug information, to leave out what is not the user's code.
    set(options -fsanitize=thread -fno-omit-frame-pointer -g)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # That sanitizer knows no fences, and Asio has some. Functions that do the same have lines
        # each. What this compiler expands in place it does not make known, so these are to be called.
        list(APPEND options --param=tsan-instrument-func-entry-exit=0 -Wno-tsan -fno-ipa-icf
            -fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset -fno-builtin-memcmp
            -fno-builtin-memchr -fno-builtin-strlen -fno-builtin-strcmp -fno-builtin-strcpy
            -fno-builtin-strncpy -fno-builtin-strcat)
    else()
        # This compiler leaves out reads before a write to the same place, unless asked for both.
        list(APPEND options "SHELL:-mllvm -tsan-instrument-func-entry-exit=0"
            "SHELL:-mllvm -tsan-compound-read-before-write")
    endif()
    target_compile_options("${target}" PRIVATE ${options})
    target_link_libraries("${target}" PRIVATE coroscope::race_hooks)
endfunction()
