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

/// How a lock is used by those who can hold it alone, and give it back.
enum class lock_use : std::uint8_t {
    none,      ///< no lock, or not for that
    lock,      ///< waits until it is free
    try_lock,  ///< waits for nothing
    /// The same of a semaphore's only permit, which another task may give back as well.
    permit,
    try_permit,
};

/// Whether an access of data is one of an atomic variable.
enum class atomicity : std::uint8_t {
    none,
    single,  ///< it is
    change,  ///< it is, and part of one operation that reads and writes
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
    lock_use lock = lock_use::none;
    /// Of a lock, as listings show it. Of what comes and goes one by one, items and permits: the
    /// number of that one, from 1, where it is known.
    std::uint64_t id = 0;
    /// Of a `test`: there was nothing to have for who asked; what listings call the object. `id` is
    /// the object's then. Null: it was no such test.
    const char* refused = nullptr;
    atomicity atomic = atomicity::none;
};

/// Is told of memory that is used again for something else.
class life_sink {
public:
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
    constexpr life_sink() = default;
    life_sink(const life_sink&) = default;
    life_sink& operator=(const life_sink&) = default;
    ~life_sink() = default;
};

/// Is told who uses what, where somebody wants to know: a race detector, or a search that must not
/// try two orders of what does not depend on each other. See `access_listener`.
class access_sink : public life_sink {
public:
    virtual void on_access(const access& made) noexcept = 0;

protected:
    access_sink() = default;
    access_sink(const access_sink&) = default;
    access_sink& operator=(const access_sink&) = default;
    ~access_sink() = default;
};

/// Of this thread; null: nobody wants to know. Whoever sets it remembers the one before, tells it
/// of everything in turn, and puts it back.
inline constinit thread_local access_sink* access_listener = nullptr;

/// Of a program that was compiled and linked so that single accesses are seen
/// (`coroscope_detect_races`): is told of the blocks that the library allocates and frees itself,
/// before whoever listens. Set once, before anything runs; null: accesses are told by those who
/// make them.
inline constinit life_sink* block_listener = nullptr;

[[nodiscard]] inline bool single_accesses_are_told() noexcept {
    return block_listener != nullptr && access_listener != nullptr;
}

/// The stretch of code that this thread is in, for those who see single accesses: of several like
/// ones in a stretch only the first says something new. A stretch is a step of a task or callback,
/// or a part of one.
struct access_stretch {
    std::uint64_t number = 0;      ///< no other of this process has it; 0: there is nobody to tell
    std::uintptr_t own_stack = 0;  ///< the step's own part of this thread's stack lies below
};
inline constinit thread_local access_stretch this_stretch;

/// Begins a stretch, in the caller's function. Loops do, before each step.
void begin_told_stretch() noexcept;
[[gnu::always_inline]] inline void begin_stretch() noexcept {
    if (single_accesses_are_told()) [[unlikely]] { begin_told_stretch(); }
}
/// What follows is another stretch of the same step: something has changed that accesses are judged
/// by.
void renew_told_stretch() noexcept;
inline void renew_stretch() noexcept {
    if (this_stretch.number != 0) [[unlikely]] { renew_told_stretch(); }
}
inline void end_stretch() noexcept {
    this_stretch = {};
}

/// While it lives, what this thread does is nobody's access: a listener allocates and frees.
class own_accesses {
public:
    own_accesses() noexcept : listener_(access_listener), number_(this_stretch.number) {
        access_listener = nullptr;
        this_stretch.number = 0;
    }
    own_accesses(const own_accesses&) = delete;
    own_accesses& operator=(const own_accesses&) = delete;
    ~own_accesses() {
        access_listener = listener_;
        this_stretch.number = number_;
    }

private:
    access_sink* listener_;
    std::uint64_t number_;
};

/// Tells the listener, if there is one.
template <class F>
void tell_access_listener(F&& tell) noexcept {
    auto* const listener = access_listener;
    if (listener == nullptr) { return; }
    const own_accesses inside;
    tell(*listener);
}

// --- For what synchronises tasks. **Cost**: a load and a branch that is never taken in production.

/// `acquire` and `release` change the object's state.
inline void note_use(const void* object, access_kind kind, await_site where = {}) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({object, 0, kind, where, nullptr, kind != access_kind::test});
    }
}

/// The item or permit with this number came or went; 0: it is not known which.
inline void note_one(const void* object, access_kind kind, std::uint64_t number,
                     await_site where) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access(
            {object, 0, kind, where, nullptr, kind != access_kind::test, lock_use::none, number});
    }
}

/// Somebody asked for it, and got nothing; `what` and `id` as listings show it.
inline void note_refusal(const void* object, const char* what, std::uint64_t id, lock_use how,
                         await_site where) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access(
            {object, 0, access_kind::test, where, nullptr, false, how, id, what});
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

/// A lock is asked for (`test`, a change: a place in its line), taken, or given back; `id` as
/// listings show it.
inline void note_lock(const void* lock, std::uint64_t id, access_kind kind, bool changes,
                      lock_use how, await_site where) noexcept {
    if (access_listener != nullptr) [[unlikely]] {
        access_listener->on_access({lock, 0, kind, where, nullptr, changes, how, id});
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
