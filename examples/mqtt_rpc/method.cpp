// SPDX-License-Identifier: Apache-2.0
#include "method.hpp"

#include <algorithm>
#include <cstddef>

namespace mqtt_rpc {

std::string signature::text() const {
    std::string all = "(";
    for (const auto& [name, type] : parameters_) {
        if (all.size() > 1) { all += ", "; }
        all += name + ": " + type;
    }
    return all + ") -> " + result_;
}

std::vector<json> signature::bind(const json& args, const json& kwargs) const {
    if (args.size() > parameters_.size()) {
        throw wrong_arguments("there are " + std::to_string(args.size()) + " arguments for "
                              + text());
    }
    std::vector<json> bound(args.begin(), args.end());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const auto named = kwargs.find(parameters_[i].name);
        const bool is_named = named != kwargs.end();
        if (is_named == (i < args.size())) {
            throw wrong_arguments("argument '" + parameters_[i].name
                                  + (is_named ? "' is given twice for " : "' is missing for ")
                                  + text());
        }
        if (is_named) { bound.push_back(*named); }
    }
    for (const auto& [name, value] : kwargs.items()) {
        const auto is_it = [&wanted = name](const parameter& p) {
            return p.name == wanted;
        };
        if (std::none_of(parameters_.begin(), parameters_.end(), is_it)) {
            throw wrong_arguments("there is no argument '" + name + "' in " + text());
        }
    }
    return bound;
}

void signature::refuse(std::size_t index, const json& value) const {
    throw wrong_arguments("argument '" + parameters_.at(index).name + "' is " + value.type_name()
                          + ", not " + parameters_[index].type + ", for " + text());
}

}  // namespace mqtt_rpc
