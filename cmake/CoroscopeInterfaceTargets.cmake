# SPDX-License-Identifier: Apache-2.0
# Two interface targets carry compiler flags; nothing else does, and nothing is set globally.
#   coroscope_warnings   linked privately by our own targets; never reaches a user
#   coroscope_sanitizer  linked publicly inside this build; never exported

add_library(coroscope_warnings INTERFACE)
target_compile_options(coroscope_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
    -Wold-style-cast -Woverloaded-virtual -Wcast-align -Wcast-qual -Wunused -Wnull-dereference
    -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough -Wextra-semi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(coroscope_warnings INTERFACE
        -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wuseless-cast -Wsuggest-override)
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        # With optimisation g++ 12 loses track of values that live in a coroutine frame and calls
        # them maybe uninitialised or null; it also takes a promise's operator new and operator
        # delete for a mismatched pair. clang and g++ 13 keep these three warnings on.
        target_compile_options(coroscope_warnings INTERFACE
            -Wno-maybe-uninitialized -Wno-null-dereference -Wno-mismatched-new-delete)
    endif()
    if(CMAKE_UNITY_BUILD)
        # Sources that are included are no headers: their types may be their own.
        target_compile_options(coroscope_warnings INTERFACE -Wno-subobject-linkage)
    endif()
endif()
if(COROSCOPE_WERROR)
    target_compile_options(coroscope_warnings INTERFACE -Werror)
endif()

add_library(coroscope_sanitizer INTERFACE)
if(COROSCOPE_LLD AND CMAKE_BUILD_TYPE STREQUAL "Debug")
    # A fifth of the time that the usual linker takes for a test executable. Programs whose layout
    # matters have the property COROSCOPE_USUAL_LINKER.
    target_link_options(coroscope_sanitizer INTERFACE
        "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:COROSCOPE_USUAL_LINKER>>>:-fuse-ld=lld>")
endif()
if(COROSCOPE_SANITIZE STREQUAL "address")
    target_compile_options(coroscope_sanitizer INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(coroscope_sanitizer INTERFACE -fsanitize=address,undefined)
elseif(COROSCOPE_SANITIZE STREQUAL "thread")
    target_compile_options(coroscope_sanitizer INTERFACE
        -fsanitize=thread -fno-omit-frame-pointer)
    # The thread sanitizer knows no fences, and g++ says so. Asio's are full fences around handlers
    # on top of its locks, which it does know.
    target_compile_definitions(coroscope_sanitizer INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
    target_link_options(coroscope_sanitizer INTERFACE -fsanitize=thread)
endif()
