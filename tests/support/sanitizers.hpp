// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which sanitizer a test is compiled with: g++ says it in a macro, clang by __has_feature.
#if defined(__SANITIZE_ADDRESS__)
#define COROSCOPE_TEST_ADDRESS_SANITIZER 1
#elif defined(__SANITIZE_THREAD__)
#define COROSCOPE_TEST_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROSCOPE_TEST_ADDRESS_SANITIZER 1
#elif __has_feature(thread_sanitizer)
#define COROSCOPE_TEST_THREAD_SANITIZER 1
#endif
#endif
