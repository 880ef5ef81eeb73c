// SPDX-License-Identifier: Apache-2.0
#include "orphans.hpp"

#include <mutex>
#include <utility>

namespace coroscope::testkit::detail {
namespace {

struct collection {
    std::mutex mutex;
    std::vector<exception_context> contexts;
};

collection& the_collection() {
    static auto* const only = new collection;  // handles may be dropped at the process's very end
    return *only;
}

void collect(const exception_context& context) noexcept {
    auto& all = the_collection();
    const std::lock_guard lock(all.mutex);
    all.contexts.push_back(context);
}

}  // namespace

std::vector<exception_context> take_orphans() {
    static const auto before = set_orphan_handler(&collect);
    static_cast<void>(before);
    auto& all = the_collection();
    const std::lock_guard lock(all.mutex);
    return std::exchange(all.contexts, {});
}

bool has_orphans() {
    auto& all = the_collection();
    const std::lock_guard lock(all.mutex);
    return !all.contexts.empty();
}

}  // namespace coroscope::testkit::detail
