// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/source_position.hpp>

#include <nlohmann/json.hpp>

namespace coroscope::report {

source_position source_position::from(const std::source_location& location) {
    return {location.file_name(), location.line(), location.function_name()};
}

std::string to_string(const source_position& position) {
    return position.empty() ? "(unknown)" : position.file + ":" + std::to_string(position.line);
}

nlohmann::json to_json(const source_position& position) {
    nlohmann::json json{{"file", position.file}, {"line", position.line}};
    if (!position.function.empty()) { json["function"] = position.function; }
    return json;
}

source_position read_source_position(const json_view& json) {
    source_position position;
    position.file = json.at("file").text();
    position.line = json.at("line").count32();
    if (const auto function = json.find("function")) { position.function = function->text(); }
    return position;
}

}  // namespace coroscope::report
