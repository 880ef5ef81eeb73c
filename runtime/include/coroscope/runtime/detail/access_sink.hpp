// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/runtime/await_site.hpp>

#include <cstddef>
#include <cstdint>

namespace coroscope::detail {

/// What is done to something that several tasks use.
enum class access_kind : std::uint8_t {
    read,   ///< of shared data
    write,  ///< of shared data
    /// Of a synchronisation object. What came before a release comes before what follows the
    /// acquire that it made possible.
    acquire,  ///< a lock taken, a wait ended, an item got
    release,  ///< a lock given back, an event set, an item put
    test,     ///< its state decided something: `try_lock` that failed, `queue::empty`
};

/// One access, by the task or callback whose step runs. Valid during the call.
struct access {
    const void* object = nullptr;  ///< the first byte of the data, or the synchronisation object
    std::size_t bytes = 0;         ///< of the data; 0: a synchronisation object
    access_kind kind{};
    await_site where{};          ///< the line, where the access was written with a call of ours
    const void* code = nullptr;  ///< the address of the instruction, where the compiler saw it
    /// Of a synchronisation object: its state is another one then, so that it matters who came
    /// first, also where this orders nothing: a place in a line was taken, an event was cleared.
    bool changes = false;
};

/// Is told who uses what, where somebody wants to know: a race detector, or a search that must not
/// try two orders of what does not depend on each other. See `access_listener`.
class access_sink {
public:
    virtual void on_access(const access& made) noexcept = 0;
    /// These bytes are nobody's any more: freed, or their object is destroyed. Told of every
    /// synchronisation object, so that what comes to lie there later is known to be another.
    virtual void on_end_of_life(const void* begin, std::size_t bytes) noexcept {
        static_cast<void>(begin);
        static_cast<void>(bytes);
    }
    /// A coroutine's frame, a task, a callback or a future lies there from now on.
    virtual void on_begin_of_life(const void* begin, std::size_t bytes) noexcept {
        static_cast<void>(begin);
        static_cast<void>(bytes);
    }

protected:
    access_sink() = default;
    access_sink(const access_sink&) = default;
    access_sink& operator=(const access_sink&) = default;
    ~access_sink() = default;
};

/// Of this thread; null: nobody wants to know. Whoever sets it remembers the one before, tells it
/// of everything in turn, and puts it back.
inline constinit thread_local access_sink* access_listener = nullptr;

// --- For what synchronises tasks. **Cost**: a load and a branch that is never taken in production.

/// `acquire` and `release` change the object's state.
inline void note_use(const void* object, access_kind kind, await_site where = {}) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({object, 0, kind, where, nullptr, kind != access_kind::test});
    }
}

/// Its state is another one, which orders nothing.
inline void note_change(const void* object, await_site where = {}) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({object, 0, access_kind::test, where, nullptr, true});
    }
}

/// A wait has ended: an acquire that changes nothing. Whoever looked whether it had to wait has
/// said so by a `test`.
inline void note_passage(const void* object, await_site where = {}) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({object, 0, access_kind::acquire, where, nullptr, false});
    }
}

/// One of several whom a wait is for has come: a release that changes nothing, since the wait ends
/// after all of them, in whatever order they come. The last one changes the state as well.
inline void note_arrival(const void* object) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({object, 0, access_kind::release, {}, nullptr, false});
    }
}

inline void note_begin_of_life(const void* begin, std::size_t bytes) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_begin_of_life(begin, bytes);
    }
}

inline void note_end_of_life(const void* begin, std::size_t bytes) noexcept {
    if (access_listener != nullptr) [[unlikely]] { access_listener->on_end_of_life(begin, bytes); }
}

}  // namespace coroscope::detail
