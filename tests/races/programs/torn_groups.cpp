// SPDX-License-Identifier: Apache-2.0
#include "races/programs/program.hpp"

#include <coroscope/testkit/fault.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

// Several accesses that belong together, and another task's between them.

namespace race_corpus::torn_groups_file {
namespace {

/// Two variables change together, and are read with an await between them.
struct range {
    int low = 0;
    int high = 10;
};

coro<> move_range(range& r, int late) {
    co_await be_late(late);
    r = {20, 30};
}

coro<> measure(range& r, int& length) {
    const int low = r.low;
    co_await yield_now();
    length = r.high - low;
}

coro<> range_read_in_two_steps() {
    range r;
    int length = 0;
    co_await together(measure(r, length), move_range(r, 2));
    effect("length", length);
    expect(length == 10, "the ends are of two ranges");
}

/// The same, written with an await between them.
coro<> move_in_two_steps(range& r, int late) {
    co_await be_late(late);
    r.low = 20;
    co_await yield_now();
    r.high = 30;
}

coro<> look_at(range& r, int& length) {
    co_await yield_now();
    length = r.high - r.low;
}

coro<> range_written_in_two_steps() {
    range r;
    int length = 0;
    co_await together(look_at(r, length), move_in_two_steps(r, 2));
    effect("length", length);
    expect(length == 10, "half of a move was seen");
}

/// AVIO's first triple, R-W-R: the length is asked, then the text, which is another one by then.
coro<> copy_text(std::string& text, std::string& copy) {
    const auto length = text.size();
    co_await yield_now();
    copy = text.substr(0, length);
}

coro<> replace_text(std::string& text, int late) {
    co_await be_late(late);
    text = "longer";
}

coro<> length_of_another_text() {
    std::string text = "short";
    std::string copy;
    co_await together(copy_text(text, copy), replace_text(text, 2));
    effect("copy", copy);
    expect(copy == "short" || copy == "longer", "a part of the text was copied");
}

/// W-W-R: who the current user is stands in a variable of all requests. Told of web frameworks
/// whose "current request" was global.
coro<> handle_request(std::string& current_user, std::string me, std::vector<std::string>& log,
                      int late) {
    co_await be_late(late);
    current_user = me;
    co_await yield_now();  // asks the data base
    log.push_back(me + " got " + current_user);
}

coro<> current_user_of_another_request() {
    std::string current_user;
    std::vector<std::string> log;
    co_await together(handle_request(current_user, "ann", log, 0),
                      handle_request(current_user, "bob", log, 2));
    for (const auto& each : log) {
        effect("answers", each);
        expect(each == "ann got ann" || each == "bob got bob", "an answer is another user's");
    }
}

/// R-W-W: a list is checked, emptied and filled again; what came between check and filling is gone.
coro<> tidy(std::vector<int>& list) {
    auto kept = list;
    std::erase_if(kept, [](int i) { return i < 0; });
    co_await yield_now();
    list = kept;
}

coro<> add(std::vector<int>& list, int what, int late) {
    co_await be_late(late);
    list.push_back(what);
}

coro<> added_while_tidied() {
    std::vector<int> list{1, -1};
    co_await together(tidy(list), add(list, 5, 2));
    effect("elements", list.size());
    expect(list.back() == 5, "an element is gone");
}

/// W-R-W: a state that lasts for one step only is seen by somebody.
coro<> convert(std::string& state, int late) {
    co_await be_late(late);
    state = "half converted";
    co_await yield_now();
    state = "converted";
}

coro<> publish(std::string& state, std::string& published) {
    co_await yield_now();
    published = state;
}

coro<> state_in_between_published() {
    std::string state = "plain";
    std::string published;
    co_await together(publish(state, published), convert(state, 2));
    effect("published", published);
    expect(published != "half converted", "a state in between was published");
}

/// Head and body of a message are written with two awaits, to one connection, by two tasks.
coro<> write(std::string& wire, std::string head, std::string body, int late) {
    co_await be_late(late);
    wire += head;
    co_await yield_now();
    wire += body;
}

coro<> messages_mixed() {
    std::string wire;
    co_await together(write(wire, "H1", "B1", 0), write(wire, "H2", "B2", 2));
    effect("wire", wire);
    expect(wire == "H1B1H2B2" || wire == "H2B2H1B1", "two messages are mixed");
}

/// A list and the sum of it, which comes a step later.
struct invoice {
    std::vector<int> items;
    int sum = 0;
};

coro<> add_item(invoice& i, int amount, int late) {
    co_await be_late(late);
    i.items.push_back(amount);
    co_await yield_now();
    i.sum += amount;
}

coro<> print(const invoice& i, bool& is_right) {
    co_await yield_now();
    int sum = 0;
    for (const int each : i.items) {
        sum += each;
    }
    is_right = sum == i.sum;
}

coro<> sum_behind_its_items() {
    invoice i;
    bool is_right = true;
    co_await together(print(i, is_right), add_item(i, 3, 2));
    effect("is-right", is_right);
    expect(is_right, "the sum was not that of the items");
}

/// A transfer throws between its two halves; who asked for it goes on.
coro<> transfer(int& from, int& to, int amount) {
    from -= amount;
    co_await yield_now();
    const bool fails = coroscope::testkit::fault_point("audit");
    if (fails) { throw std::runtime_error("the audit failed"); }
    to += amount;
}

coro<> try_transfer(int& from, int& to) {
    try {
        co_await transfer(from, to, 10);
    } catch (const std::runtime_error&) { effect("failed", true); }
}

coro<> money_gone_with_the_exception() {
    int a = 100;
    int b = 100;
    co_await together(try_transfer(a, b), try_transfer(b, a));
    effect("sum", a + b);
    expect(a + b == 200, "money is gone");
}

/// Two counters that are meant to stay equal, each raised by its own step of the same task.
coro<> enter(int& entered, int& paid, int late) {
    co_await be_late(late);
    ++entered;
    co_await yield_now();
    ++paid;
}

coro<> audit(int& entered, int& paid, bool& are_equal) {
    const int first = entered;
    co_await yield_now();
    are_equal = first == paid;
}

coro<> counters_out_of_step() {
    int entered = 0;
    int paid = 0;
    bool are_equal = true;
    co_await together(audit(entered, paid, are_equal), enter(entered, paid, 2));
    effect("are-equal", are_equal);
    expect(are_equal, "one entered and did not pay");
}

/// A rename is a removal and an insertion: for a moment the file has no name.
coro<> rename(std::vector<std::string>& names, int late) {
    co_await be_late(late);
    names.clear();
    co_await yield_now();
    names.emplace_back("new");
}

coro<> find(const std::vector<std::string>& names, bool& is_there) {
    co_await yield_now();
    is_there = !names.empty();
}

coro<> file_without_a_name() {
    std::vector<std::string> names{"old"};
    bool is_there = true;
    co_await together(find(names, is_there), rename(names, 2));
    effect("is-there", is_there);
    expect(is_there, "the file was not found during its renaming");
}

constexpr auto torn = "torn group";
constexpr auto triple = "unserialisable triple";
constexpr program list[] = {
    bug("range-read-in-two-steps", torn, source::own, range_read_in_two_steps),
    bug("range-written-in-two-steps", torn, source::own, range_written_in_two_steps),
    bug("length-of-another-text", triple, source::study, length_of_another_text),
    bug("current-user-of-another-request", triple, source::study, current_user_of_another_request),
    bug("added-while-tidied", triple, source::own, added_while_tidied),
    bug("state-in-between-published", triple, source::own, state_in_between_published),
    bug("messages-mixed", torn, source::study, messages_mixed),
    bug("sum-behind-its-items", torn, source::own, sum_behind_its_items),
    silent_bug("money-gone-with-the-exception", "exception between two writes", source::own,
               money_gone_with_the_exception),
    bug("counters-out-of-step", torn, source::own, counters_out_of_step),
    bug("file-without-a-name", torn, source::study, file_without_a_name),
};

}  // namespace
}  // namespace race_corpus::torn_groups_file

namespace race_corpus {

std::span<const program> torn_groups() {
    return torn_groups_file::list;
}

}  // namespace race_corpus
