// SPDX-License-Identifier: Apache-2.0
#include "dwfl_session.hpp"

#include <unistd.h>

namespace coroscope::instrumentation::detail {

dwfl_session open_dwfl_session() {
    static const Dwfl_Callbacks callbacks{dwfl_linux_proc_find_elf, dwfl_standard_find_debuginfo,
                                          nullptr, nullptr};
    dwfl_session session(dwfl_begin(&callbacks));
    if (session == nullptr) { return session; }
    dwfl_report_begin(session.get());
    const bool found = dwfl_linux_proc_report(session.get(), ::getpid()) == 0;
    dwfl_report_end(session.get(), nullptr, nullptr);
    if (!found) { session.reset(); }
    return session;
}

}  // namespace coroscope::instrumentation::detail
