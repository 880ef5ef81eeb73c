# SPDX-License-Identifier: Apache-2.0
# Read by ctest at its start, once for each test executable: asks the executable for its list of
# test cases whenever it is newer than the list.

if(NOT EXISTS "${program}")
    add_test("${prefix}not built" "${program}")
    return()
endif()
if(NOT EXISTS "${list_file}" OR "${program}" IS_NEWER_THAN "${list_file}")
    execute_process(
        COMMAND "${program}" --list-for-ctest "${program}" "${prefix}" "${labels}" "${timeout}"
            "${folder}" "${list_file}" "${entries}"
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        file(REMOVE "${list_file}")
        message(SEND_ERROR "${program} could not list its test cases (${result}):\n${output}")
        add_test("${prefix}cannot be listed" "${CMAKE_COMMAND}" -E false)
        return()
    endif()
endif()
include("${list_file}")
