// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "payloads.hpp"

#include <coroscope/runtime/coro.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace mqtt_rpc {

/// The arguments do not fit the signature.
class wrong_arguments : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A type that arguments and results may have: what it is called, and which JSON values are of it.
template <class T>
struct wire_type;
template <>
struct wire_type<bool> {
    static constexpr const char* name = "bool";
    static bool accepts(const json& value) { return value.is_boolean(); }
};
template <>
struct wire_type<std::int64_t> {
    static constexpr const char* name = "int";
    static bool accepts(const json& value) {
        if (!value.is_number_unsigned()) { return value.is_number_integer(); }
        return value.get<std::uint64_t>()
               <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    }
};
template <>
struct wire_type<double> {
    static constexpr const char* name = "float";
    static bool accepts(const json& value) { return value.is_number(); }
};
template <>
struct wire_type<std::string> {
    static constexpr const char* name = "str";
    static bool accepts(const json& value) { return value.is_string(); }
};

/// The names and types of a method's parameters.
class signature {
public:
    struct parameter {
        std::string name;
        const char* type;
    };
    signature(std::vector<parameter> parameters, const char* result)
        : parameters_(std::move(parameters)),
          result_(result) {}

    /// `(i: int, s: str) -> float`
    [[nodiscard]] std::string text() const;
    /// The arguments in the order of the parameters. Throws `wrong_arguments` if one is missing,
    /// given twice, or unknown.
    [[nodiscard]] std::vector<json> bind(const json& args, const json& kwargs) const;
    [[noreturn]] void refuse(std::size_t index, const json& value) const;

private:
    std::vector<parameter> parameters_;
    const char* result_;
};

/// A coroutine function that others may call: its signature, and how to call it with JSON.
///
///     method add({"a", "b"}, std::function(add_integers));
class method {
public:
    template <class Result, class... Parameters>
    method(std::array<std::string, sizeof...(Parameters)> names,
           std::function<coroscope::coro<Result>(Parameters...)> f)
        : signature_(make_signature<Result, Parameters...>(names)) {
        call_ = [this_signature = signature_, f = std::move(f)](const json& args,
                                                                const json& kwargs) {
            const auto values = this_signature.bind(args, kwargs);
            return run(f, convert<Parameters...>(this_signature, values,
                                                 std::index_sequence_for<Parameters...>()));
        };
    }

    [[nodiscard]] std::string signature_text() const { return signature_.text(); }
    /// Throws `wrong_arguments` at once, and when awaited what the function throws.
    [[nodiscard]] coroscope::coro<json> call(const json& args, const json& kwargs) const {
        return call_(args, kwargs);
    }

private:
    template <class Result, class... Parameters, std::size_t N>
    [[nodiscard]] static signature make_signature(const std::array<std::string, N>& names) {
        std::vector<signature::parameter> parameters;
        const std::array<const char*, N> types{wire_type<Parameters>::name...};
        for (std::size_t i = 0; i < N; ++i) {
            parameters.push_back({names[i], types[i]});
        }
        return {std::move(parameters), wire_type<Result>::name};
    }

    template <class T>
    [[nodiscard]] static T convert_one(const signature& s, std::size_t index, const json& value) {
        if (!wire_type<T>::accepts(value)) { s.refuse(index, value); }
        return value.get<T>();
    }
    template <class... T, std::size_t... I>
    [[nodiscard]] static std::tuple<T...> convert(const signature& s,
                                                  const std::vector<json>& values,
                                                  std::index_sequence<I...>) {
        return std::tuple<T...>{convert_one<T>(s, I, values[I])...};
    }

    template <class Result, class... T>
    [[nodiscard]] static coroscope::coro<json> run(std::function<coroscope::coro<Result>(T...)> f,
                                                   std::tuple<T...> values) {
        auto work = std::apply(f, std::move(values));
        Result result = co_await std::move(work);
        co_return json(std::move(result));
    }

    signature signature_;
    std::function<coroscope::coro<json>(const json&, const json&)> call_;
};

}  // namespace mqtt_rpc
