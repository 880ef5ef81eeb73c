# SPDX-License-Identifier: Apache-2.0
# Runs PROGRAM and compares what it writes to standard output with the file EXPECTED.

execute_process(COMMAND "${PROGRAM}" RESULT_VARIABLE status OUTPUT_VARIABLE output)
file(READ "${EXPECTED}" expected)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} ended with ${status}; it wrote:\n${output}")
endif()
if(NOT output STREQUAL expected)
    message(FATAL_ERROR "${PROGRAM} wrote:\n${output}\ninstead of (${EXPECTED}):\n${expected}")
endif()
