// SPDX-License-Identifier: Apache-2.0
#include "mqtt_client.hpp"

#include <coroscope/report/duration_text.hpp>
#include <coroscope/runtime/combine.hpp>
#include <coroscope/runtime/error.hpp>
#include <coroscope/runtime/exception_context.hpp>
#include <coroscope/runtime/resolve.hpp>

#include <boost/system/error_code.hpp>

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace mqtt_rpc {
namespace {

using coroscope::coro;

constexpr int quality_of_service = 0;
constexpr int keep_alive = 60;  // seconds
constexpr std::chrono::seconds look_after_interval(1);

/// Once in the process, on whichever thread comes first.
void initialise_library() {
    struct library {
        library() { mosquitto_lib_init(); }
        library(const library&) = delete;
        library& operator=(const library&) = delete;
        ~library() { mosquitto_lib_cleanup(); }
    };
    static const library once;
}

std::string text_of_error(int number) {
    return boost::system::error_code(number, boost::system::system_category()).message();
}

/// The library's texts are sentences; ours go on.
std::string without_stop(std::string text) {
    if (text.ends_with('.')) { text.pop_back(); }
    return text;
}

/// Call it before anything else may change `errno`.
std::string text_of_result(int code) {
    return code == MOSQ_ERR_ERRNO ? text_of_error(errno) : without_stop(mosquitto_strerror(code));
}

/// Otherwise the connection is as good as it was before.
bool means_loss(int code) {
    return code == MOSQ_ERR_ERRNO || code == MOSQ_ERR_NO_CONN || code == MOSQ_ERR_CONN_LOST;
}

}  // namespace

void mqtt_client::destroy::operator()(mosquitto* m) const noexcept {
    mosquitto_destroy(m);
}

mqtt_client::mqtt_client(std::string broker)
    : broker_(std::move(broker)),
      loop_(coroscope::get_running_loop()) {
    initialise_library();
    library_.reset(mosquitto_new(nullptr, true, this));
    if (library_ == nullptr) { throw std::bad_alloc(); }
    mosquitto_connect_callback_set(library_.get(), on_connect);
    mosquitto_subscribe_callback_set(library_.get(), on_subscribe);
    mosquitto_message_callback_set(library_.get(), on_message);
}

mqtt_client::~mqtt_client() {
    stop_watching();
    if (!lost_) { mosquitto_disconnect(library_.get()); }
}

// --- Connecting

coro<std::unique_ptr<mqtt_client>> mqtt_client::connect(std::string host, std::uint16_t port,
                                                        coroscope::duration timeout) {
    const auto broker = host + " port " + std::to_string(port);
    const auto addresses = co_await coroscope::getaddrinfo(host, std::to_string(port));
    std::string why = "it has no address";
    for (const auto& address : addresses) {
        std::unique_ptr<mqtt_client> client(new mqtt_client(broker));
        try {
            co_await coroscope::wait_for(client->open(address.host, port), timeout);
            co_return client;
        } catch (const bus_lost& e) { why = e.what(); } catch (const coroscope::timeout_error&) {
            why = "no answer within " + coroscope::report::format_duration(timeout);
        }
    }
    throw bus_lost("cannot connect to the MQTT broker at " + broker + ": " + why
                   + "; start one there (mosquitto), or name another host and port");
}

/// The library's header wants `mosquitto_connect_async` for its own threads only. With an address
/// instead of a name it is a connect that does not block, and the first writes and reads, which are
/// ours, find out what came of it.
coro<> mqtt_client::open(std::string address, std::uint16_t port) {
    const int code = mosquitto_connect_async(library_.get(), address.c_str(), port, keep_alive);
    if (code == MOSQ_ERR_SUCCESS) {
        watch();
        proceed(code);
        co_await answered_.wait();
    } else {
        lose(text_of_result(code));
    }
    if (lost_) { std::rethrow_exception(lost_); }
}

void mqtt_client::on_connect(mosquitto*, void* self, int code) noexcept {
    auto& client = *static_cast<mqtt_client*>(self);
    if (code == 0) {
        client.is_connected_ = true;
    } else {
        client.refusal_ = without_stop(mosquitto_connack_string(code));
    }
}

// --- The loop's side

void mqtt_client::watch() {
    watched_ =
        coroscope::file_descriptor(::fcntl(mosquitto_socket(library_.get()), F_DUPFD_CLOEXEC, 0));
    if (watched_.get() < 0) {
        lose(text_of_error(errno));
        return;
    }
    coroscope::add_reader(loop_, watched_.get(), [this] { read(); });
    timer_ = loop_.call_later(look_after_interval, [this] { look_after(); });
}

void mqtt_client::stop_watching() noexcept {
    timer_.cancel();
    if (watched_.get() < 0) { return; }
    coroscope::remove_reader(loop_, watched_.get());
    coroscope::remove_writer(loop_, watched_.get());
    watched_.close();
}

/// A socket can be written to nearly always: it is watched for that only while there is a need.
void mqtt_client::update_writer() {
    const bool is_needed = mosquitto_want_write(library_.get());
    if (is_needed == is_writer_watched_) { return; }
    is_writer_watched_ = is_needed;
    if (is_needed) {
        coroscope::add_writer(loop_, watched_.get(), [this] { write(); });
    } else {
        coroscope::remove_writer(loop_, watched_.get());
    }
}

void mqtt_client::read() {
    if (!socket_has_failed()) { proceed(mosquitto_loop_read(library_.get(), 1)); }
}

void mqtt_client::write() {
    if (!socket_has_failed()) { proceed(mosquitto_loop_write(library_.get(), 1)); }
}

/// Keep-alive messages, and the end of a connection on which nothing comes any more.
void mqtt_client::look_after() {
    timer_ = loop_.call_later(look_after_interval, [this] { look_after(); });
    proceed(mosquitto_loop_misc(library_.get()));
}

/// The library often says no more than that the connection was lost.
bool mqtt_client::socket_has_failed() {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(watched_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) { error = errno; }
    if (error != 0) { lose(text_of_error(error)); }
    return error != 0;
}

void mqtt_client::proceed(int code) {
    const auto failure = code == MOSQ_ERR_SUCCESS ? std::string() : text_of_result(code);
    deliver();
    if (lost_) { return; }
    if (code != MOSQ_ERR_SUCCESS) {
        lose(refusal_.empty() ? failure : refusal_);
        return;
    }
    if (is_connected_) { answered_.set(); }
    update_writer();
}

void mqtt_client::lose(const std::string& why) {
    const auto text = is_connected_
                          ? "the connection to the MQTT broker at " + broker_ + " was lost: " + why
                                + "; see whether it is running, then start this again"
                          : why;
    lost_ = std::make_exception_ptr(bus_lost(text));
    stop_watching();
    answered_.set();
    for (auto& [topic, each] : subscriptions_) {
        each.answered.set();
    }
    for (const auto& f : std::exchange(lost_handlers_, {})) {
        f(lost_);
    }
}

void mqtt_client::on_lost(lost_handler f) {
    if (lost_) {
        f(lost_);
    } else {
        lost_handlers_.push_back(std::move(f));
    }
}

// --- Sending

void mqtt_client::expect_open() const {
    if (lost_) { std::rethrow_exception(lost_); }
}

void mqtt_client::sent(int code) {
    const auto failure = code == MOSQ_ERR_SUCCESS ? std::string() : text_of_result(code);
    if (means_loss(code)) { lose(failure); }
    expect_open();
    if (code != MOSQ_ERR_SUCCESS) {
        throw std::runtime_error("libmosquitto does not send this: " + failure);
    }
    update_writer();
}

void mqtt_client::publish(const std::string& topic, const std::string& payload) {
    expect_open();
    if (payload.size() > MQTT_MAX_PAYLOAD) { sent(MOSQ_ERR_PAYLOAD_SIZE); }
    sent(mosquitto_publish(library_.get(), nullptr, topic.c_str(), static_cast<int>(payload.size()),
                           payload.data(), quality_of_service, false));
}

coro<> mqtt_client::subscribe(std::string topic, message_handler f) {
    expect_open();
    auto& mine = subscriptions_[topic];
    mine.handler = std::move(f);
    mine.answered.clear();
    sent(mosquitto_subscribe(library_.get(), &mine.request, topic.c_str(), quality_of_service));
    co_await mine.answered.wait();
    expect_open();
    if (mine.is_refused) {
        throw std::runtime_error("the MQTT broker at " + broker_ + " refuses to subscribe us to "
                                 + topic + "; see its access control");
    }
}

void mqtt_client::on_subscribe(mosquitto*, void* self, int request, int count,
                               const int* granted) noexcept {
    constexpr int refused = 0x80;
    for (auto& [topic, each] : static_cast<mqtt_client*>(self)->subscriptions_) {
        if (each.request != request) { continue; }
        each.is_refused = count < 1 || granted[0] == refused;
        each.answered.set();
    }
}

// --- Receiving

void mqtt_client::on_message(mosquitto*, void* self, const mosquitto_message* m) noexcept {
    const auto* bytes = static_cast<const char*>(m->payload);
    std::string payload;
    if (m->payloadlen > 0) { payload.assign(bytes, static_cast<std::size_t>(m->payloadlen)); }
    static_cast<mqtt_client*>(self)->arrived_.emplace_back(m->topic, std::move(payload));
}

/// A handler that throws keeps no message from the next.
void mqtt_client::deliver() {
    for (const auto& m : std::exchange(arrived_, {})) {
        const auto found = subscriptions_.find(m.topic);
        if (found == subscriptions_.end()) { continue; }
        try {
            found->second.handler(m);
        } catch (...) {
            coroscope::exception_context problem;
            problem.message = "a handler of messages on " + m.topic + " failed";
            problem.exception = std::current_exception();
            loop_.call_exception_handler(problem);
        }
    }
}

}  // namespace mqtt_rpc
