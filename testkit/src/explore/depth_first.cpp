// SPDX-License-Identifier: Apache-2.0
#include "depth_first.hpp"

#include <algorithm>

namespace coroscope::testkit::detail {
namespace {

/// Deep enough for many more subtrees than there are shards, as a rule; each shard has to look at
/// every one of them once.
constexpr std::size_t split_depth = 6;

}  // namespace

std::string depth_first::name() const {
    return most_deviations_.has_value()
               ? "depth first, up to " + std::to_string(*most_deviations_) + " deviations"
               : "depth first";
}

void depth_first::begin(std::uint64_t) {
    depth_ = 0;
}

std::size_t depth_first::next(std::size_t count) {
    if (depth_ == path_.size()) { path_.push_back({0, count}); }
    auto& here = path_[depth_++];
    if (here.count != count) {  // the program did something else than it did before
        diverged_ = true;
        here.count = count;
        here.chosen = std::min(here.chosen, count - 1);
    }
    return here.chosen;
}

void depth_first::end(const execution_summary& summary) {
    was_cut_ = was_cut_ || summary.was_cut;
    path_.resize(depth_);
    deviations_ = static_cast<std::size_t>(
        std::ranges::count_if(path_, [](const branch& b) { return b.chosen != 0; }));
    step_back();
    if (shards_ > 1) { skip_other_shards(); }
}

/// To the next path, in lexical order.
void depth_first::step_back() {
    while (!path_.empty()) {
        auto& last = path_.back();
        const bool has_more = last.chosen + 1 < last.count;
        const bool is_allowed =
            !most_deviations_.has_value() || last.chosen != 0 || deviations_ < *most_deviations_;
        if (path_.size() <= split_depth && has_more) { ++subtree_; }
        if (has_more && is_allowed) {
            deviations_ += last.chosen == 0 ? 1U : 0U;
            ++last.chosen;
            return;
        }
        left_out_ = left_out_ || has_more;
        deviations_ -= last.chosen != 0 ? 1U : 0U;
        path_.pop_back();
    }
    exhausted_ = true;
}

/// What lies below the first few decisions is one shard's. Where the path that was just tried is
/// another's, nothing more below is tried.
void depth_first::skip_other_shards() {
    while (path_.size() > split_depth && subtree_ % shards_ != shard_) {
        deviations_ -= path_.back().chosen != 0 ? 1U : 0U;
        path_.pop_back();
        if (path_.size() == split_depth) { step_back(); }
    }
}

}  // namespace coroscope::testkit::detail
