// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/annotation.hpp>

#include <coroscope/runtime/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace coroscope::instrumentation {

namespace detail {

/// What follows the life of something with a name: reports, where a race detector listens.
class life_cell {
public:
    life_cell(const char* name, await_site where) noexcept : label_{name, where} {}
    ~life_cell() { tell_end_of_life(this, 1); }
    life_cell(const life_cell&) = delete;
    life_cell& operator=(const life_cell&) = delete;

    void note(life_event what, await_site where) const noexcept {
        if (annotation_listener != nullptr) [[unlikely]] {
            annotation_listener->on_life(this, label_, what, where);
        }
    }
    void claim(await_site where) const noexcept {
        if (annotation_listener != nullptr) [[unlikely]] {
            annotation_listener->on_claim(this, where);
        }
    }
    /// `rule` is broken: `what` was to be kept, and `other` who claimed it last.
    void breach_of(const char* rule, const char* what, const char* other,
                   await_site where) const noexcept {
        if (annotation_listener != nullptr) [[unlikely]] {
            annotation_listener->on_breach({rule, what, other, label_, where, this});
        }
    }
    /// `'name'`, or where it was made.
    [[nodiscard]] std::string text() const {
        return label_.name != nullptr ? "'" + std::string(label_.name) + "'"
                                      : "made at " + coroscope::to_string(label_.created_at);
    }

private:
    variable_label label_;
};

/// The task that runs now; 0: none.
[[nodiscard]] std::uint64_t running_task_id() noexcept;

}  // namespace detail

/// An object whose life several tasks share: made without it, then opened, used, and closed or
/// taken away. A race detector says who uses it before its beginning or after its end, and who
/// could in another order.
///
///     coroscope::instrumentation::watched<connection> db{"db"};
///     db.open(connection(address));
///     co_await query(db.use());
///     db.close();
///
/// **Thread safety**: as a plain object.
template <class T>
class watched {
public:
    explicit watched(const char* name = nullptr, await_site where = await_site::current()) noexcept
        : cell_(name, where) {}

    /// Puts the object there, in place of one that there may have been.
    T& open(T value, await_site where = await_site::current()) requires std::move_constructible<T> {
        return open_at(where, std::move(value));
    }
    /// Makes it there, for what cannot be moved; `where` is the line to report.
    template <class... Args>
    T& open_at(await_site where, Args&&... args) {
        auto& made = value_.emplace(std::forward<Args>(args)...);
        cell_.note(detail::life_event::opened, where);
        return made;
    }
    /// The object. One that was closed or moved from is still there, and the use a finding; where
    /// there is none, throws `invalid_state_error`.
    T& use(await_site where = await_site::current()) {
        if (was_opened_before()) {
            cell_.note(detail::life_event::used, where);
        } else {
            cell_.breach_of("order-violation", "it was used before it was opened", "", where);
        }
        if (value_.has_value()) { return *value_; }
        throw invalid_state_error("the watched object " + cell_.text() + " was used at "
                                  + coroscope::to_string(where)
                                  + " while there was none; open() it first, and await that");
    }
    /// It must not be used any more, although it is there.
    void close(await_site where = await_site::current()) noexcept {
        cell_.note(detail::life_event::closed, where);
    }
    /// Moves it out.
    [[nodiscard]] T take(await_site where = await_site::current()) {
        auto& from = use(where);
        cell_.note(detail::life_event::moved, where);
        return std::move(from);
    }
    /// Destroys it.
    void destroy(await_site where = await_site::current()) noexcept {
        cell_.note(detail::life_event::destroyed, where);
        value_.reset();
        was_destroyed_ = true;
    }
    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }

private:
    [[nodiscard]] bool was_opened_before() const noexcept {
        return value_.has_value() || was_destroyed_;
    }
    detail::life_cell cell_;
    std::optional<T> value_;
    bool was_destroyed_ = false;
};

/// States that something is initialised before anybody uses it, wherever that may be.
///
///     coroscope::instrumentation::init_before_use routes{"routes"};
///     routes.initialised();  // where they are read
///     routes.used();         // where they are needed
class init_before_use {
public:
    explicit init_before_use(const char* name = nullptr,
                             await_site where = await_site::current()) noexcept
        : cell_(name, where) {}

    void initialised(await_site where = await_site::current()) noexcept {
        is_initialised_ = true;
        cell_.note(detail::life_event::opened, where);
    }
    void used(await_site where = await_site::current()) noexcept {
        if (is_initialised_) {
            cell_.note(detail::life_event::used, where);
        } else {
            cell_.breach_of("order-violation", "it was used before it was initialised", "", where);
        }
    }
    [[nodiscard]] bool is_initialised() const noexcept { return is_initialised_; }

private:
    detail::life_cell cell_;
    bool is_initialised_ = false;
};

/// States that nobody changes a container while another task goes through it and awaits meanwhile,
/// which would invalidate its iterators.
///
///     {
///         const auto reading = guard.iterate();
///         for (auto& each : clients) { co_await send(each); }
///     }
///     guard.modify();
///     clients.push_back(one);
class container_guard {
public:
    explicit container_guard(const char* name = nullptr,
                             await_site where = await_site::current()) noexcept
        : cell_(name, where) {}

    class [[nodiscard("the container is gone through as long as this lives")]] iteration {
    public:
        iteration(const iteration&) = delete;
        iteration& operator=(const iteration&) = delete;
        ~iteration() {
            of_.readers_.erase(std::ranges::find(of_.readers_, task_));  // one of its own
        }

    private:
        friend class container_guard;
        iteration(container_guard & of, std::uint64_t task) : of_(of), task_(task) {
            of.readers_.push_back(task);
        }
        container_guard& of_;
        std::uint64_t task_;
    };

    iteration iterate(await_site where = await_site::current()) {
        cell_.claim(where);
        return iteration(*this, detail::running_task_id());
    }
    /// It is about to be changed.
    void modify(await_site where = await_site::current()) noexcept;

private:
    detail::life_cell cell_;
    std::vector<std::uint64_t> readers_;
};

/// States that of several results on their way the one with the largest sequence number is kept,
/// in whatever order they come.
///
///     const auto number = ++asked;
///     auto found = co_await search(text);
///     if (number == asked) { latest.applied(number); shown = found; }
class latest_wins {
public:
    explicit latest_wins(const char* name = nullptr,
                         await_site where = await_site::current()) noexcept
        : cell_(name, where) {}

    /// The result with this number is put into place now.
    void applied(std::uint64_t sequence, await_site where = await_site::current()) noexcept {
        if (sequence < newest_) {
            cell_.breach_of("stale-result", "an older result was put in place of a newer one",
                            "the newer one was put there by", where);
            return;
        }
        newest_ = sequence;
        cell_.claim(where);
    }

private:
    detail::life_cell cell_;
    std::uint64_t newest_ = 0;
};

}  // namespace coroscope::instrumentation
