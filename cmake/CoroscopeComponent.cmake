# SPDX-License-Identifier: Apache-2.0
# coroscope_component(): the one way to declare a library of ours.
#
#   coroscope_component(
#       NAME runtime                    # target coroscope_runtime, used as coroscope::runtime
#       HEADERS include/coroscope/runtime/coro.hpp ...      # public, all below include/
#       SOURCES src/loop.cpp ...                            # none: a header-only library
#       PUBLIC_LINKS Boost::headers Threads::Threads        # what the public headers include
#       PRIVATE_LINKS ...                                   # what only the sources include
#       [DIRECTORY dir]                 # where include/ and src/ are; default: this folder
#       [PRECOMPILE <boost/asio.hpp>])  # private precompiled headers, to build faster
#
# Each component shows its users its own include/ and nothing else, so an include that goes the
# wrong way through the layers does not compile.

function(coroscope_component)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;DIRECTORY"
        "HEADERS;SOURCES;PUBLIC_LINKS;PRIVATE_LINKS;PRECOMPILE")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME)
        message(FATAL_ERROR "coroscope_component: NAME is missing, or these arguments are unknown: "
            "${arg_UNPARSED_ARGUMENTS}")
    endif()

    set(folder "${CMAKE_CURRENT_SOURCE_DIR}")
    if(arg_DIRECTORY)
        cmake_path(ABSOLUTE_PATH arg_DIRECTORY OUTPUT_VARIABLE folder)
    endif()
    list(TRANSFORM arg_HEADERS PREPEND "${folder}/")
    list(TRANSFORM arg_SOURCES PREPEND "${folder}/")

    set(target coroscope_${arg_NAME})
    if(arg_SOURCES)
        set(public PUBLIC)
        add_library(${target} STATIC ${arg_SOURCES})
        target_link_libraries(${target}
            PUBLIC ${arg_PUBLIC_LINKS} $<BUILD_INTERFACE:coroscope_sanitizer>
            PRIVATE ${arg_PRIVATE_LINKS} $<BUILD_INTERFACE:coroscope_warnings>)
        target_include_directories(${target} PRIVATE "${folder}/src")
        set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
        if(arg_PRECOMPILE)
            target_precompile_headers(${target} PRIVATE ${arg_PRECOMPILE})
            # What ccache asks for before it caches users of a precompiled header.
            if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
                target_compile_options(${target} PRIVATE -fpch-preprocess)
            else()
                target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
            endif()
        endif()
    else()
        set(public INTERFACE)
        if(arg_PRIVATE_LINKS AND arg_HEADERS)
            message(FATAL_ERROR "coroscope_component(${arg_NAME}): without SOURCES there is "
                "nothing that PRIVATE_LINKS could serve")
        endif()
        add_library(${target} INTERFACE)
        target_link_libraries(${target}
            INTERFACE ${arg_PUBLIC_LINKS} $<BUILD_INTERFACE:coroscope_sanitizer>)
    endif()
    add_library(coroscope::${arg_NAME} ALIAS ${target})

    target_compile_features(${target} ${public} cxx_std_20)
    target_sources(${target} ${public}
        FILE_SET HEADERS BASE_DIRS "${folder}/include" FILES ${arg_HEADERS})
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME ${arg_NAME}
        VERIFY_INTERFACE_HEADER_SETS ${COROSCOPE_VERIFY_HEADERS})

    set_property(GLOBAL APPEND PROPERTY COROSCOPE_COMPONENTS ${arg_NAME})
    set_property(GLOBAL PROPERTY COROSCOPE_LINKS_${arg_NAME}
        ${arg_PUBLIC_LINKS} ${arg_PRIVATE_LINKS})
    if(COROSCOPE_INSTALL)
        install(TARGETS ${target} EXPORT coroscope-${arg_NAME}
            ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
            FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
    endif()
endfunction()

# coroscope_program(): an executable of ours (command line, examples, benchmarks).
#
#   coroscope_program(TARGET coroscope_cli [OUTPUT_NAME coroscope] SOURCES ... LINKS ...)

function(coroscope_program)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;OUTPUT_NAME" "SOURCES;LINKS")
    if(arg_UNPARSED_ARGUMENTS OR NOT arg_TARGET)
        message(FATAL_ERROR "coroscope_program: TARGET is missing, or these arguments are unknown: "
            "${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_SOURCES)
        message(STATUS "coroscope: ${arg_TARGET} has no sources yet, so it is not built")
        return()
    endif()
    add_executable(${arg_TARGET} ${arg_SOURCES})
    target_link_libraries(${arg_TARGET} PRIVATE
        ${arg_LINKS} coroscope_sanitizer coroscope_warnings)
    target_compile_features(${arg_TARGET} PRIVATE cxx_std_20)
    set_target_properties(${arg_TARGET} PROPERTIES CXX_EXTENSIONS OFF)
    if(arg_OUTPUT_NAME)
        set_target_properties(${arg_TARGET} PROPERTIES OUTPUT_NAME ${arg_OUTPUT_NAME})
    endif()
endfunction()
