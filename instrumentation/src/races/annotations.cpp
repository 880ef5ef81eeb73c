// SPDX-License-Identifier: Apache-2.0
#include <coroscope/instrumentation/detail/annotation.hpp>

#include <utility>

namespace coroscope::instrumentation::detail {
namespace {

constinit thread_local group_registration* newest_group = nullptr;

}  // namespace

std::uint64_t tell_access(const annotated_access& made) noexcept {
    if (annotation_listener != nullptr) { return annotation_listener->on_annotated_access(made); }
    coroscope::detail::access_listener->on_access(
        {made.object, made.bytes, made.kind, made.where, nullptr});
    return 0;
}

void tell_end_of_life(const void* object, std::size_t bytes) noexcept {
    if (coroscope::detail::access_listener != nullptr) [[unlikely]] {
        coroscope::detail::access_listener->on_end_of_life(object, bytes);
    }
}

group_registration::group_registration(const char* name, std::vector<const void*> members)
    : name_(name),
      members_(std::move(members)),
      next_(newest_group) {
    if (next_ != nullptr) { next_->previous_ = this; }
    newest_group = this;
    if (annotation_listener != nullptr) { tell(*annotation_listener); }
}

group_registration::~group_registration() {
    (previous_ != nullptr ? previous_->next_ : newest_group) = next_;
    if (next_ != nullptr) { next_->previous_ = previous_; }
    if (annotation_listener != nullptr) { annotation_listener->on_group_gone(this); }
}

void group_registration::tell_all(annotation_sink& to) noexcept {
    for (const auto* group = newest_group; group != nullptr; group = group->next_) {
        group->tell(to);
    }
}

}  // namespace coroscope::instrumentation::detail
