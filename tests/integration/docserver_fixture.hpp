// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/run.hpp>
#include <coroscope/runtime/sleep.hpp>

#include "docserver/compression.hpp"
#include "docserver/handler.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace docserver_test {

using namespace docserver;
using coroscope::coro;
namespace fs = std::filesystem;

/// A small tree to serve, and a file and a directory outside it.
class tree {
public:
    tree() {
        std::string name = (fs::temp_directory_path() / "docserver-test-XXXXXX").string();
        base_ = ::mkdtemp(name.data());
        fs::create_directories(root() / "pkg/<odd & name>");
        fs::create_directories(root() / "site");
        fs::create_directories(base_ / "private");
        put(root() / "pkg/copyright", text());
        put(root() / "pkg/changelog.gz", gzip_compress("changes", 9));
        put(root() / "pkg/short.txt", "short");
        put(root() / "pkg/empty.txt", "");
        put(root() / "pkg/large.bin", std::string(2'000'000, 'L'));
        put(root() / "site/index.html", "<p>index</p>");
        put(base_ / "private/secret.txt", "secret");
        fs::create_symlink("../private/secret.txt", root() / "leak.txt");
        fs::create_symlink("../private", root() / "leak");
        fs::create_symlink("pkg/short.txt", root() / "inside.txt");
        fs::create_symlink("circle", root() / "circle");
    }
    tree(const tree&) = delete;
    tree& operator=(const tree&) = delete;
    ~tree() {
        std::error_code ignored;
        fs::remove_all(base_, ignored);
    }
    [[nodiscard]] fs::path root() const { return base_ / "root"; }
    /// Compresses well, and is long enough to be compressed.
    [[nodiscard]] static std::string text() {
        std::string all;
        for (int i = 0; i < 2000; ++i) {
            all += "line " + std::to_string(i) + " of the licence\n";
        }
        return all;
    }

private:
    static void put(const fs::path& path, const std::string& content) {
        std::ofstream(path, std::ios::binary) << content;
    }
    fs::path base_;
};

class string_sink final : public response_sink {
public:
    void write(std::string_view bytes) override { text += bytes; }
    std::string text;

private:
    [[nodiscard]] coro<> wait_until_drained(coroscope::await_site) override {
        co_await coroscope::yield_now();
    }
};

struct exchange {
    outcome result;
    std::string text;
    [[nodiscard]] std::string body() const { return text.substr(text.find("\r\n\r\n") + 4); }
    [[nodiscard]] bool has(const std::string& part) const {
        return text.find(part) != std::string::npos;
    }
    [[nodiscard]] std::string field(const std::string& name) const {
        const auto begin = text.find("\r\n" + name + ": ");
        if (begin == std::string::npos) { return {}; }
        const auto value = begin + name.size() + 4;
        return text.substr(value, text.find("\r\n", value) - value);
    }
};

inline options serving(const tree& t) {
    options o;
    o.root = t.root();
    o.port = 0;
    o.level = log_level::error;
    return o;
}

/// What the handler answers, without a socket.
inline exchange ask(site& s, request r) {
    string_sink out;
    exchange e;
    e.result = coroscope::run(handle_request(s, std::move(r), out));
    e.text = out.text;
    return e;
}

inline exchange get(site& s, const std::string& target, const std::string& accept_encoding = {}) {
    request r;
    r.target = target;
    r.accept_encoding = accept_encoding;
    return ask(s, r);
}

}  // namespace docserver_test
