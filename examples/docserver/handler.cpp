// SPDX-License-Identifier: Apache-2.0
#include "handler.hpp"

#include <coroscope/runtime/loop.hpp>

#include "compression.hpp"
#include "conditions.hpp"
#include "content_type.hpp"
#include "http_date.hpp"
#include "target.hpp"

#include <algorithm>
#include <stdexcept>

namespace docserver {
namespace {

using coroscope::coro;
using document_pointer = std::shared_ptr<const document>;

/// The fields that a file is described by, in all its responses.
[[nodiscard]] response_head describe(const document& file, int status, std::string entity_tag) {
    response_head head;
    head.status = status;
    head.add("Content-Type", std::string(content_type(file.name())));
    head.add("Last-Modified", to_http_date(file.modified()));
    head.add("ETag", std::move(entity_tag));
    head.add("Vary", "Accept-Encoding");
    return head;
}

[[nodiscard]] bool is_to_be_compressed(const site& s, const request& r, const document& file) {
    return accepts_gzip(r.accept_encoding) && r.range.empty() && is_text(content_type(file.name()))
           && file.size() >= std::max<std::uint64_t>(s.settings.min_size, 1)
           && file.size() <= s.settings.max_size;
}

/// What `--offload` runs in its own threads: reading, too, so that no content crosses the loop.
[[nodiscard]] std::string compress_in_background(site& s, const document& file) {
    thread_local bool is_background = false;
    if (!std::exchange(is_background, true)) { lower_thread_priority(); }
    const auto content = file.read(0, file.size());
    const auto timing = s.profiler.scoped_time("gzip_compress");
    return gzip_compress(content, s.settings.gzip_level);
}

[[nodiscard]] outcome respond_compressed(const request& r, response_head head,
                                         std::string_view packed, response_sink& out) {
    head.add("Content-Encoding", "gzip");
    if (!r.is_head()) { return respond(r, std::move(head), packed, out); }
    // Its length would have to be found out by compressing: HEAD may leave it out.
    out.write(to_text(head, r.keep_alive));
    outcome done;
    done.status = head.status;
    done.keep_alive = r.keep_alive;
    return done;
}

/// Sends a part of a file as it is, read in the background piece by piece.
coro<> send_pieces(document_pointer file, byte_range range, response_sink& out) {
    constexpr std::uint64_t piece_size = std::uint64_t{128} * 1024;
    auto& loop = coroscope::get_running_loop();
    while (range.length > 0) {
        const auto n = std::min(range.length, piece_size);
        auto read = [file, offset = range.offset, n] {
            return file->read(offset, n);
        };
        auto reading = loop.run_in_executor(std::move(read));
        const auto piece = co_await std::move(reading);
        if (piece.size() < n) {
            // The length has been promised: all that is left is to cut the connection off.
            throw std::runtime_error(file->name() + " became shorter while it was sent");
        }
        out.write(piece);
        co_await out.drain();
        range.offset += n;
        range.length -= n;
    }
}

coro<outcome> serve_as_it_is(request r, document_pointer file, response_sink& out) {
    auto range = find_range(r, file->size(), file->entity_tag(), file->modified());
    const auto size = std::to_string(file->size());
    auto head = describe(*file, 200, file->entity_tag());
    head.add("Accept-Ranges", "bytes");
    if (range.what == byte_range::kind::unsatisfiable) {
        head.status = 416;
        head.add("Content-Range", "bytes */" + size);
        co_return respond(r, std::move(head), {}, out);
    }
    if (range.what == byte_range::kind::part) {
        head.status = 206;
        head.add("Content-Range", "bytes " + std::to_string(range.offset) + '-'
                                      + std::to_string(range.offset + range.length - 1) + '/'
                                      + size);
    } else {
        range.length = file->size();
    }
    head.add("Content-Length", std::to_string(range.length));
    out.write(to_text(head, r.keep_alive));
    outcome done;
    done.status = head.status;
    done.keep_alive = r.keep_alive;
    if (!r.is_head()) {
        done.body_bytes = range.length;
        co_await send_pieces(file, range, out);
    }
    co_return done;
}

coro<outcome> serve_file(site& s, request r, document_pointer file, response_sink& out) {
    const bool compress = is_to_be_compressed(s, r, *file);
    const auto tag = file->entity_tag(compress ? "-gz" : "");
    if (is_not_modified(r, tag, file->modified())) {
        auto head = describe(*file, 304, tag);
        out.write(to_text(head, r.keep_alive));
        outcome done;
        done.status = head.status;
        done.keep_alive = r.keep_alive;
        co_return done;
    }
    if (!compress) { co_return co_await serve_as_it_is(std::move(r), file, out); }
    auto head = describe(*file, 200, tag);
    if (r.is_head()) { co_return respond_compressed(r, std::move(head), {}, out); }

    auto& loop = coroscope::get_running_loop();
    std::string packed;
    if (s.settings.offload) {
        auto work = [&s, file] {
            return compress_in_background(s, *file);
        };
        auto working = loop.run_in_executor(s.compression_threads, std::move(work));
        packed = co_await std::move(working);
    } else {
        auto read = [file] {
            return file->read(0, file->size());
        };
        auto reading = loop.run_in_executor(std::move(read));
        const std::string content = co_await std::move(reading);
        // Deliberately on the loop: the slow steps that the tools are there to find.
        const auto timing = s.profiler.scoped_time("gzip_compress");
        packed = gzip_compress(content, s.settings.gzip_level);
    }
    const auto done = respond_compressed(r, std::move(head), packed, out);
    co_await out.drain();
    co_return done;
}

[[nodiscard]] outcome serve_directory(const request& r, const target_path& target,
                                      const found_path& found, response_sink& out) {
    response_head head;
    head.add("Content-Type", "text/html; charset=utf-8");
    return respond(r, std::move(head), directory_page(target.path, found.entries), out);
}

[[nodiscard]] outcome redirect_to_directory(const request& r, const target_path& target,
                                            response_sink& out) {
    response_head head;
    head.status = 301;
    head.add("Location", "/" + percent_encode(target.path) + "/");
    return respond(r, std::move(head), {}, out);
}

}  // namespace

coro<outcome> handle_request(site& s, request r, response_sink& out) {
    if (r.version >= 11 && !r.has_host) { co_return refuse(std::move(r), 400, out); }
    if (r.method != "GET" && r.method != "HEAD") { co_return refuse(std::move(r), 405, out); }
    const auto target = decode_target(r.target);
    if (target.refused != 0) { co_return refuse(std::move(r), target.refused, out); }
    auto find = [&s, target] {
        return s.root.find(target);
    };
    auto finding = coroscope::get_running_loop().run_in_executor(std::move(find));
    const auto found = co_await std::move(finding);
    switch (found.what) {
    case found_path::kind::file: break;
    case found_path::kind::not_found: co_return refuse(std::move(r), 404, out);
    case found_path::kind::forbidden: co_return refuse(std::move(r), 403, out);
    case found_path::kind::directory: co_return serve_directory(r, target, found, out);
    case found_path::kind::lacks_slash: co_return redirect_to_directory(r, target, out);
    }
    co_return co_await serve_file(s, std::move(r), found.file, out);
}

}  // namespace docserver
