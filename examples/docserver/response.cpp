// SPDX-License-Identifier: Apache-2.0
#include "response.hpp"

#include "http_date.hpp"
#include "target.hpp"

#include <ctime>

namespace docserver {
namespace {

[[nodiscard]] bool ends_connection(int status) {
    switch (status) {
    case 400:
    case 408:
    case 413:
    case 431:
    case 500:
    case 503:
    case 505: return true;
    default: return false;
    }
}

}  // namespace

std::string_view reason_of(int status) {
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

std::string to_text(const response_head& head, bool keep_alive) {
    std::string text = "HTTP/1.1 " + std::to_string(head.status) + ' ';
    text += reason_of(head.status);
    text += "\r\nServer: docserver\r\nDate: " + to_http_date(std::time(nullptr)) + "\r\n";
    for (const auto& [name, value] : head.fields) {
        text += name;
        text += ": " + value + "\r\n";
    }
    text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return text;
}

outcome respond(const request& r, response_head head, std::string_view body, response_sink& out) {
    head.add("Content-Length", std::to_string(body.size()));
    auto text = to_text(head, r.keep_alive);
    outcome done;
    done.status = head.status;
    done.keep_alive = r.keep_alive;
    if (!r.is_head()) {
        text += body;
        done.body_bytes = body.size();
    }
    out.write(text);
    return done;
}

outcome refuse(request r, int status, response_sink& out) {
    response_head head;
    head.status = status;
    head.add("Content-Type", "text/plain; charset=utf-8");
    if (status == 405) { head.add("Allow", "GET, HEAD"); }
    if (status == 503) { head.add("Retry-After", "1"); }
    if (ends_connection(status)) { r.keep_alive = false; }
    const auto body = std::to_string(status) + ' ' + std::string(reason_of(status)) + '\n';
    return respond(r, std::move(head), body, out);
}

std::string html_escape(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
        case '&': escaped += "&amp;"; break;
        case '<': escaped += "&lt;"; break;
        case '>': escaped += "&gt;"; break;
        case '"': escaped += "&quot;"; break;
        case '\'': escaped += "&#39;"; break;
        default: escaped += c;
        }
    }
    return escaped;
}

std::string directory_page(std::string_view path, const std::vector<directory_entry>& entries) {
    const auto title = "Index of /" + html_escape(path) + (path.empty() ? "" : "/");
    std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>"
                       + title + "</title></head>\n<body>\n<h1>" + title + "</h1>\n<ul>\n";
    if (!path.empty()) { page += "<li><a href=\"../\">../</a></li>\n"; }
    for (const auto& entry : entries) {
        const std::string slash = entry.is_directory ? "/" : "";
        page += "<li><a href=\"./" + percent_encode(entry.name) + slash + "\">"
                + html_escape(entry.name) + slash + "</a>";
        if (!entry.is_directory) { page += ", " + std::to_string(entry.size) + " bytes"; }
        page += "</li>\n";
    }
    return page + "</ul>\n</body>\n</html>\n";
}

}  // namespace docserver
