// SPDX-License-Identifier: Apache-2.0
#include <coroscope/runtime/tls_connection.hpp>

#include "stream_transport.hpp"
#include "tls_filter.hpp"

#include <stdexcept>
#include <utility>

namespace coroscope {

std::optional<tls_facts> facts_of(const transport& t) {
    const auto* ours = dynamic_cast<const detail::stream_transport*>(&t);
    if (ours == nullptr || ours->state() == nullptr) { return std::nullopt; }
    const auto* filter = dynamic_cast<const detail::tls_filter*>(ours->state()->filter());
    if (filter == nullptr) { return std::nullopt; }
    return filter->facts();
}

coro<> start_tls(std::shared_ptr<transport> over, tls_role role, tls_context context,
                 tls_options options, await_site where) {
    const auto ours = std::dynamic_pointer_cast<detail::stream_transport>(over);
    if (ours == nullptr) {
        throw std::invalid_argument("start_tls: this is no transport of a connection of coroscope");
    }
    const detail::stream_transport::upgrade upgrading(*ours);
    co_await detail::secure(upgrading.stream(), role, std::move(context), std::move(options),
                            where);
}

namespace detail {

coro<untyped_connection> create_tls_connection(protocol_factory factory, std::string host,
                                               std::uint16_t port, tls_context context,
                                               tls_options options, await_site where) {
    auto s = co_await open_tls_connection(std::move(host), port, std::move(context),
                                          std::move(options), where);
    co_return co_await connect_stream(std::move(factory), std::move(s), where);
}

}  // namespace detail

}  // namespace coroscope
