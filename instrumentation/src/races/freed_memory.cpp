// SPDX-License-Identifier: Apache-2.0
#include "freed_memory.hpp"

#include "race_findings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

[[nodiscard]] memory_place place_of(const memory_block& block) noexcept {
    memory_place place;
    place.address = block.begin;
    place.where = block.is_frame ? memory_place::home::frame : memory_place::home::block;
    place.bytes = block.bytes;
    place.code = block.code;
    if (block.is_frame) {  // while its beginning is what it was
        std::array<const void*, 2> functions{};
        std::memcpy(functions.data(), block.begin, sizeof(functions));
        place.code = functions[1];
    }
    return place;
}

void add_access(report::finding& to, const std::string& which, const access_record& made,
                const std::string& did) {
    add_unit(to, (which + " task").c_str(), *made.who);
    add_stack(to, which + " access", did + " at " + line_of(made), made);
    add_resumption(to, "await of the " + which + " task", made);
}

/// `end`: of its life; `use`: after that.
[[nodiscard]] report::finding describe(const memory_place& place, const access_record& end,
                                       const access_record& use) {
    const auto variable = name_of_memory(place);
    const auto name = variable.text.empty() ? std::string("memory") : variable.text;
    const bool is_frame = place.where == memory_place::home::frame;
    const std::string ended = is_frame ? "ended the coroutine of" : "freed";
    const std::string used = use.kind == access_kind::write  ? "wrote"
                             : use.kind == access_kind::read ? "read"
                                                             : "used";
    const auto who = unit_text(*end.who);
    const auto other = unit_text(*use.who);
    report::finding made;
    made.rule = "use-after-free";
    made.severity = report::severity::error;
    made.verdict = report::verdict::confirmed;
    made.where = place_of_access(use);
    made.fingerprint = make_fingerprint(made.rule, std::array{place_of_access(end), made.where});
    made.message =
        who + " " + ended + " " + name + " at " + line_of(end) + ", and " + other + " " + used
        + " it at " + line_of(use) + " after that. Keep it alive until "
        + (end.who->agent == use.who->agent ? "its last use" : "the other task has ended")
        + ", or look whether it is still there in the step that uses it.";
    made.evidence.push_back({"variable", name, variable.made_at, {}});
    add_access(made, "first", end, is_frame ? "ended the coroutine" : "freed");
    add_access(made, "other", use, used);
    made.evidence.push_back({"missing order",
                             "nothing orders what " + other + " did at " + line_of(use)
                                 + " before what " + who + " did at " + line_of(end),
                             {},
                             {}});
    add_default_order(made);
    return made;
}

}  // namespace

bool freed_memory::note_freed(const memory_block& block, const void* code) {
    auto by = recorder_.part_now();
    if (by == nullptr) { return false; }
    freed_block made{place_of(block), std::move(by), code};
    if (blocks_.size() < most_kept) {
        blocks_.push_back(std::move(made));
    } else {
        blocks_[next_] = std::move(made);
        next_ = (next_ + 1) % most_kept;
    }
    return true;
}

// The newest of those that lay there.
const freed_memory::freed_block* freed_memory::find(const void* address) const noexcept {
    const auto inside = reinterpret_cast<std::uintptr_t>(address);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const auto& block = blocks_[(next_ + blocks_.size() - 1 - i) % blocks_.size()];
        const auto begin = reinterpret_cast<std::uintptr_t>(block.place.address);
        if (inside >= begin && inside < begin + block.place.bytes) { return &block; }
    }
    return nullptr;
}

bool freed_memory::note_use(const coroscope::detail::access& made) {
    const auto* const block = find(made.object);
    const auto at = recorder_.now();
    if (block == nullptr || at.key == 0) { return false; }
    access_record end = *block->by;
    end.code = block->code;
    end.kind = access_kind::write;
    if (end.code == nullptr) {  // a coroutine's last step
        end.where = end.resumed_at.line() != 0 ? end.resumed_at : end.who->created_at;
    }
    access_record use;
    recorder_.locate(at, use, made.where);
    // The end of a wait that was ended by that: it is told of without a look.
    const bool has_line = made.where.line() != 0;
    if (made.bytes == 0 && has_line && is_one_site(made.where, use.resumed_at)) { return true; }
    use.code = made.code;
    use.kind = made.kind;
    if (end.benign != nullptr || use.benign != nullptr) {
        log_.count_benign();
        return true;
    }
    auto place = block->place;
    place.offset = static_cast<std::size_t>(static_cast<const std::byte*>(made.object)
                                            - static_cast<const std::byte*>(place.address));
    place.address = made.object;
    // All uses of a step are one mistake.
    const auto step = std::bit_cast<std::uint64_t>(use.resumed_at);
    log_.add(race_key("use-after-free", {number_of_place(end), step}), [&] {
        return race_candidate{describe(place, end, use), {}};
    });
    return true;
}

}  // namespace coroscope::instrumentation::detail
