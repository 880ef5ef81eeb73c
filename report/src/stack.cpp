// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/stack.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>

namespace coroscope::report {

namespace {

std::string hexadecimal(std::uint64_t number) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return "0x" + std::string(digits.data(), end);
}

std::uint64_t read_address(const json_view& json) {
    const auto text = json.text();
    std::uint64_t address = 0;
    if (text.starts_with("0x") && text.size() > 2) {
        const char* const end = text.data() + text.size();
        const auto [stopped, error] = std::from_chars(text.data() + 2, end, address, 16);
        if (error == std::errc{} && stopped == end) { return address; }
    }
    json.fail("an address like \"0x401136\"");
}

}  // namespace

nlohmann::json to_json(const stack_frame& frame) {
    nlohmann::json json{{"function", frame.function}};
    if (!frame.file.empty()) {
        json["file"] = frame.file;
        json["line"] = frame.line;
    }
    if (!frame.module.empty()) { json["module"] = frame.module; }
    if (frame.address != 0) { json["address"] = hexadecimal(frame.address); }
    if (frame.inlined) { json["inlined"] = true; }
    return json;
}

nlohmann::json to_json(const stack& stack) {
    nlohmann::json frames = nlohmann::json::array();
    for (const auto& frame : stack.frames) {
        frames.push_back(to_json(frame));
    }
    return {{"frames", std::move(frames)}, {"truncated", stack.truncated}};
}

stack_frame read_stack_frame(const json_view& json) {
    stack_frame frame;
    frame.function = json.at("function").text();
    if (const auto file = json.find("file")) {
        frame.file = file->text();
        frame.line = json.at("line").count32();
    }
    if (const auto module = json.find("module")) { frame.module = module->text(); }
    if (const auto address = json.find("address")) { frame.address = read_address(*address); }
    if (const auto inlined = json.find("inlined")) { frame.inlined = inlined->boolean(); }
    return frame;
}

stack read_stack(const json_view& json) {
    stack stack;
    for (const auto& frame : json.at("frames").elements()) {
        stack.frames.push_back(read_stack_frame(frame));
    }
    stack.truncated = json.at("truncated").boolean();
    return stack;
}

}  // namespace coroscope::report
