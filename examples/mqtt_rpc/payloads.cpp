// SPDX-License-Identifier: Apache-2.0
#include "payloads.hpp"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <ostream>
#include <utility>

namespace mqtt_rpc {
namespace {

json object_of(const call_id& id) {
    json all = json::object();
    all["uuid"] = id.uuid;
    all["service"] = id.service;
    all["function"] = id.function;
    return all;
}

/// A text that is no UTF-8, of an exception for instance, gets its bad bytes replaced.
std::string to_text(const json& object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

json read_object(const std::string& payload) {
    try {
        json all = json::parse(payload);
        if (!all.is_object()) { throw bad_payload("it is JSON, but not an object"); }
        return all;
    } catch (const json::parse_error& e) {
        throw bad_payload("it is not JSON (byte " + std::to_string(e.byte) + ")");
    } catch (const json::exception&) { throw bad_payload("it has a number that is too large"); }
}

/// Moves a member out.
json take(json& object, const char* name, json::value_t type, const char* expected) {
    const auto found = object.find(name);
    if (found == object.end()) { throw bad_payload("'" + std::string(name) + "' is missing"); }
    if (found->type() != type) {
        throw bad_payload("'" + std::string(name) + "' is not " + expected);
    }
    return std::move(*found);
}

std::string take_string(json& object, const char* name) {
    return take(object, name, json::value_t::string, "a string").get<std::string>();
}

/// A text that somebody may print: nothing in it may steer a terminal.
std::string take_text(json& object, const char* name) {
    auto text = take_string(object, name);
    const auto steers = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    std::replace_if(text.begin(), text.end(), steers, '?');
    return text;
}

call_id take_id(json& object) {
    call_id id;
    id.uuid = take_string(object, "uuid");
    id.service = take_string(object, "service");
    id.function = take_string(object, "function");
    return id;
}

}  // namespace

call_id new_call_id(std::string service, std::string function) {
    thread_local boost::uuids::random_generator generate;
    return {boost::uuids::to_string(generate()), std::move(service), std::move(function)};
}

std::string to_text(const registration& what) {
    auto all = object_of(what.id);
    all["signature"] = what.signature;
    return to_text(all);
}

std::string to_text(const question& what) {
    return to_text(object_of(what.id));
}

std::string to_text(const invocation& what) {
    auto all = object_of(what.id);
    all["args"] = what.args;
    all["kwargs"] = what.kwargs;
    return to_text(all);
}

std::string to_text(const reply& what) {
    auto all = object_of(what.id);
    if (what.error) {
        all["error"] = *what.error;
    } else {
        all["result"] = what.result;
    }
    return to_text(all);
}

registration read_registration(const std::string& payload) {
    auto all = read_object(payload);
    return {take_id(all), take_text(all, "signature")};
}

question read_question(const std::string& payload) {
    auto all = read_object(payload);
    return {take_id(all)};
}

invocation read_invocation(const std::string& payload) {
    auto all = read_object(payload);
    return {take_id(all), take(all, "args", json::value_t::array, "a list"),
            take(all, "kwargs", json::value_t::object, "an object")};
}

reply read_reply(const std::string& payload) {
    auto all = read_object(payload);
    reply read;
    read.id = take_id(all);
    const auto result = all.find("result");
    if ((result == all.end()) != all.contains("error")) {
        throw bad_payload("it needs either 'result' or 'error'");
    }
    if (result != all.end()) {
        read.result = std::move(*result);
    } else {
        read.error = take_text(all, "error");
    }
    return read;
}

void log_bad_payload(std::ostream& log, const std::string& topic, const bad_payload& why) {
    log << "mqtt_rpc: ignored a payload on " + topic + ": " + why.what() + '\n' << std::flush;
}

}  // namespace mqtt_rpc
