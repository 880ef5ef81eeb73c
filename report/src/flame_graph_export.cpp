// SPDX-License-Identifier: Apache-2.0
#include <coroscope/report/profile_export.hpp>

#include "exported_stacks.hpp"
#include "flame_graph_page.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <utility>

namespace coroscope::report {

namespace {

// Stacks with a common outer part as a tree; a node comes after its parent.
class flame_tree {
public:
    explicit flame_tree(std::uint32_t root_frame) { nodes_.push_back({0, root_frame, 0}); }

    void add(const detail::exported_stack& stack) {
        std::size_t at = 0;
        add_to(at, stack.value);
        for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend(); ++frame) {
            const auto [found, is_new] = children_.try_emplace({at, *frame}, nodes_.size());
            if (is_new) { nodes_.push_back({at, *frame, 0}); }
            at = found->second;
            add_to(at, stack.value);
        }
    }

    [[nodiscard]] nlohmann::json json() const {
        auto all = nlohmann::json::array();
        for (const auto& each : nodes_) {
            all.push_back({each.parent, each.frame, each.value});
        }
        return all;
    }

private:
    struct node {
        std::size_t parent;
        std::uint32_t frame;
        std::int64_t value;
    };

    void add_to(std::size_t at, std::int64_t value) {
        nodes_[at].value = detail::add_amounts(nodes_[at].value, value);
    }

    std::vector<node> nodes_;
    std::map<std::pair<std::size_t, std::uint32_t>, std::size_t> children_;
};

nlohmann::json frame_json(const stack_frame& frame) {
    nlohmann::json json{{"name", detail::frame_name(frame)}};
    if (!frame.file.empty()) { json["place"] = frame.file + ':' + std::to_string(frame.line); }
    return json;
}

// `</script>` and `<!--` would end the data.
std::string inside_of_script(const nlohmann::json& json) {
    std::string safe;
    for (const char c : json_line(json)) {
        if (c == '<') {
            safe += "\\u003c";
        } else {
            safe += c;
        }
    }
    return safe;
}

}  // namespace

std::string flame_graph_html(const profile& profile, std::size_t value, const std::string& title) {
    const detail::exported_stacks exported(profile, value);
    auto frames = nlohmann::json::array();
    for (const auto& frame : exported.frames()) {
        frames.push_back(frame_json(frame));
    }
    flame_tree tree(static_cast<std::uint32_t>(frames.size()));
    frames.push_back({{"name", "[all: " + profile.values[value].name + "]"}});
    for (const auto& stack : exported.stacks()) {
        tree.add(stack);
    }
    const nlohmann::json data{{"title", title},
                              {"unit", profile.values[value].unit},
                              {"frames", std::move(frames)},
                              {"nodes", tree.json()}};
    return std::string(detail::flame_graph_page_head) + inside_of_script(data)
           + std::string(detail::flame_graph_page_tail);
}

}  // namespace coroscope::report
