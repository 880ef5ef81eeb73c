// SPDX-License-Identifier: Apache-2.0
// The smallest program in which accesses are seen without annotations.

#include <coroscope/runtime/detail/access_sink.hpp>
#include <coroscope/runtime/loop.hpp>

#include <memory>

namespace {

/// Of one object, reads and writes.
class accesses_of_one final : public coroscope::detail::access_sink {
public:
    explicit accesses_of_one(const void* object) noexcept : object_(object) {}
    void on_access(const coroscope::detail::access& made) noexcept override {
        if (made.object != object_) { return; }
        ++(made.kind == coroscope::detail::access_kind::write ? writes : reads);
    }

    int reads = 0;
    int writes = 0;

private:
    const void* object_;
};

}  // namespace

int main() {
    const auto value = std::make_unique<int>(0);
    accesses_of_one seen(value.get());
    coroscope::detail::access_listener = &seen;
    coroscope::loop loop;
    loop.call_soon([&] { *value += 1; });
    loop.call_soon([&] {
        *value += 1;
        loop.stop();
    });
    loop.run_forever();
    coroscope::detail::access_listener = nullptr;
    return seen.reads == 2 && seen.writes == 2 ? 0 : 1;
}
