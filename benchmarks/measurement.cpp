// SPDX-License-Identifier: Apache-2.0
#include "measurement.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <system_error>

#include <sys/wait.h>
#include <unistd.h>

namespace coroscope::benchmarks {
namespace {

struct samples {
    std::vector<double> ours;
    std::vector<double> peer;
    std::vector<double> bare;
};

[[nodiscard]] double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) { return *middle; }
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// The part of a result that is measured. Goes through a pipe as it is.
struct figures {
    double ours;
    double peer;
    double ratio;
};

/// Both values are costs, less being better, so the ratio is the peer's over ours; or both are
/// rates.
[[nodiscard]] figures summarise(const std::vector<double>& ours, const std::vector<double>& peer,
                                bool are_rates = false) {
    std::vector<double> ratios(ours.size());
    std::transform(
        peer.begin(), peer.end(), ours.begin(), ratios.begin(),
        [=](double theirs, double mine) { return are_rates ? mine / theirs : theirs / mine; });
    return {median(ours), median(peer), median(ratios)};
}

[[nodiscard]] std::size_t scaled(std::size_t count, double scale) {
    constexpr std::size_t least = 1000;
    const auto wanted = static_cast<std::size_t>(static_cast<double>(count) * scale);
    return std::min(count, std::max(wanted, least));
}

using pair_of_figures = std::array<figures, 2>;  // with observers, bare

[[nodiscard]] figures measure_here(const comparison& what, const effort& how_much) {
    constexpr double least = 0.01;  // noise may make it negative, which no cost is
    const auto count = scaled(what.count, how_much.scale);
    const bool is_difference = what.what == comparison::kind::difference;
    std::vector<double> ours;
    std::vector<double> peer;
    for (std::size_t round = 0; round <= how_much.rounds; ++round) {
        const bool ours_first = round % 2 == 0;
        const auto first = ours_first ? what.ours(count) : what.peer(count);
        const auto second = ours_first ? what.peer(count) : what.ours(count);
        const auto mine = ours_first ? first : second;
        const auto theirs = ours_first ? second : first;
        if (round == 0) { continue; }
        ours.push_back(is_difference ? std::max(mine - theirs, least) : mine);
        peer.push_back(theirs);
    }
    return summarise(ours, peer, what.what == comparison::kind::rate);
}

[[nodiscard]] pair_of_figures measure_here(const benchmark& what, const effort& how_much) {
    const auto count = scaled(what.count, how_much.scale);
    samples s;
    const auto ours = [&] {
        return what.ours(count, watching::observed);
    };
    const auto bare = [&] {
        return what.ours(count, watching::bare);
    };
    for (std::size_t round = 0; round <= how_much.rounds; ++round) {
        const bool ours_first = round % 2 == 0;
        const auto first = ours_first ? ours() : bare();
        const auto peer = what.peer(count);
        const auto last = ours_first ? bare() : ours();
        if (round == 0) { continue; }
        s.ours.push_back(ours_first ? first : last);
        s.peer.push_back(peer);
        s.bare.push_back(ours_first ? last : first);
    }
    return {summarise(s.ours, s.peer), summarise(s.bare, s.peer)};
}

/// Measures and sends the figures; what goes wrong is told on standard error.
template <class Figures, class What>
[[noreturn]] void be_child(const What& what, const effort& how_much, int out) {
    try {
        const Figures measured = measure_here(what, how_much);
        const auto sent = ::write(out, &measured, sizeof(measured));
        std::_Exit(sent == static_cast<::ssize_t>(sizeof(measured)) ? 0 : 1);
    } catch (const std::exception& e) { std::cerr << what.name << ": " << e.what() << std::endl; }
    std::_Exit(1);
}

/// In a process of its own: the heap that one benchmark leaves behind would favour one side or the
/// other in the next.
template <class Figures, class What>
[[nodiscard]] Figures measure_in_child(const What& what, const effort& how_much) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) { throw std::system_error(errno, std::generic_category()); }
    const auto child = ::fork();
    if (child < 0) { throw std::system_error(errno, std::generic_category()); }
    if (child == 0) { be_child<Figures>(what, how_much, ends[1]); }
    ::close(ends[1]);
    Figures measured{};
    const auto bytes = ::read(ends[0], &measured, sizeof(measured));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0 || bytes != static_cast<::ssize_t>(sizeof(measured))) {
        throw std::runtime_error("measuring " + std::string(what.name) + " failed");
    }
    return measured;
}

}  // namespace

std::vector<result> measure(const benchmark& what, const effort& how_much) {
    const std::string name(what.name);
    const std::string peer(what.peer_name);
    const std::string unit(what.unit);
    const auto [observed, bare] = measure_in_child<pair_of_figures>(what, how_much);
    return {{name, observed.ours, peer, observed.peer, unit, observed.ratio},
            {name + "_bare", bare.ours, peer, bare.peer, unit, bare.ratio}};
}

result measure(const comparison& what, const effort& how_much) {
    const auto found = measure_in_child<figures>(what, how_much);
    return {std::string(what.name), found.ours, std::string(what.peer_name), found.peer,
            std::string(what.unit), found.ratio};
}

result measure_time_stamp(const effort& how_much) {
    std::vector<double> ours;
    std::vector<double> peer;
    for (std::size_t round = 0; round < how_much.rounds; ++round) {
        ours.push_back(cost_of_time_stamp());
        peer.push_back(cost_of_steady_clock());
    }
    const auto mine = median(ours);
    const auto theirs = median(peer);
    return {"rdtsc", mine, "std::chrono::steady_clock::now", theirs, "ns/read", theirs / mine};
}

void write_table_head(std::ostream& out) {
    out << std::left << std::setw(24) << "name" << std::right << std::setw(11) << "ours"
        << std::setw(11) << "peer" << std::setw(9) << "ratio"
        << "  " << std::left << std::setw(15) << "unit"
        << "peer\n";
}

void write_table_row(std::ostream& out, const result& row) {
    out << std::left << std::setw(24) << row.name << std::right << std::fixed
        << std::setprecision(1) << std::setw(11) << row.ours << std::setw(11) << row.peer_value
        << std::setprecision(2) << std::setw(9) << row.ratio << "  " << std::left << std::setw(15)
        << row.unit << row.peer << std::endl;
}

void write_json(std::ostream& out, const std::vector<result>& rows) {
    // Names and units are ours and hold nothing that JSON would have to escape.
    out << std::setprecision(6) << std::defaultfloat << "[\n";
    const auto* separator = "";
    for (const auto& row : rows) {
        out << separator << R"(  {"name": ")" << row.name << R"(", "ours": )" << row.ours
            << R"(, "peer": ")" << row.peer << R"(", "peer_value": )" << row.peer_value
            << R"(, "unit": ")" << row.unit << R"(", "ratio": )" << row.ratio << '}';
        separator = ",\n";
    }
    out << "\n]\n";
}

}  // namespace coroscope::benchmarks
