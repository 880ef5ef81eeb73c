// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroscope/instrumentation/detail/memory_names.hpp>

#include <coroscope/runtime/await_site.hpp>
#include <coroscope/runtime/detail/access_sink.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace coroscope::instrumentation::detail {

using coroscope::detail::access_kind;

/// The segment that runs on this thread, as a number that no other segment of the process has.
/// Written by a race detector at each beginning of a step; 0: nobody counts.
inline constinit thread_local std::uint64_t current_segment = 0;

/// What people call a variable: the name that it was given, or where it was made. Names are kept as
/// pointers: give literals.
struct variable_label {
    const char* name = nullptr;  ///< null: none was given
    await_site created_at{};
    const void* address = nullptr;  ///< of what the compiler saw, where it lies
};

/// Which read a value came from.
struct provenance {
    const void* object = nullptr;  ///< the variable; null: none that anybody watches
    std::uint64_t version = 0;     ///< the segment that had written it last
    std::uint64_t segment = 0;     ///< that read it
};

enum class value_use : std::uint8_t {
    computed,  ///< something was computed from it, or it was copied out
    tested,    ///< a branch was taken on it
};

/// What an annotated write puts into its variable.
enum class written_value : std::uint8_t {
    unknown,  ///< no `tracked` value: made of what the task may have read before
    derived,  ///< computed from `annotated_access::from`
    update,   ///< read and written in one segment, as `shared::update` does
};

class variable_cell;

/// What threads do with an object that orders them: an atomic variable, a condition, a guard.
enum class thread_order : std::uint8_t {
    release,        ///< about to: what came before it comes before what follows an `acquire`
    acquire,        ///< just did
    weak_store,     ///< relaxed: a release of what came before the last `release_fence`
    weak_load,      ///< relaxed: an acquire for what follows the next `acquire_fence`
    release_fence,  ///< of no object
    acquire_fence,  ///< of no object
};

/// What a thread does with a mutex of threads.
enum class thread_lock : std::uint8_t {
    take,
    take_shared,  ///< beside others who do so: to read
    give_back,    ///< about to, whichever way it was taken
};

struct annotated_access {
    variable_cell* cell = nullptr;
    const void* object = nullptr;
    std::size_t bytes = 0;
    access_kind kind{};
    await_site where{};
    variable_label label{};
    written_value value = written_value::unknown;
    provenance from{};
};

/// In the life of a `watched` object.
enum class life_event : std::uint8_t { opened, used, closed, moved, destroyed };

/// Misuse that an annotation states by itself; see the classes that make it.
struct breach {
    const char* rule = "";
    const char* what = "";   ///< a sentence: what the contract says
    const char* other = "";  ///< what the other task did: `it belongs to`
    variable_label label{};
    await_site where{};
    const void* object = nullptr;
};

/// Is told by annotated objects what happens to them, on the thread of its loop.
class annotation_sink {
public:
    /// Returns the number of the segment that the access belongs to.
    virtual std::uint64_t on_annotated_access(const annotated_access& made) noexcept = 0;
    /// It goes, and with it the lines that it knows.
    virtual void on_cell_gone(const variable_cell& cell) noexcept = 0;
    virtual void on_value_used(const provenance& from, value_use how) noexcept = 0;
    virtual void on_group(const void* group, const variable_label& label,
                          std::span<const void* const> members) noexcept = 0;
    virtual void on_group_gone(const void* group) noexcept = 0;
    /// What this task or callback accesses from now on is harmless for that reason; null: no more.
    virtual void on_benign(const char* reason) noexcept = 0;
    virtual void on_life(const void* object, const variable_label& label, life_event what,
                         await_site where) noexcept = 0;
    /// Who does something that a later `on_breach` may refer to.
    virtual void on_claim(const void* object, await_site where) noexcept = 0;
    virtual void on_breach(const breach& made) noexcept = 0;
    /// Whether other threads run that it listens to: it matters then whose locks are told of.
    [[nodiscard]] virtual bool has_threads() const noexcept = 0;
    /// A mutex of threads was taken, or is about to be given back: one, too, that was not told of.
    virtual void on_thread_lock(const void* mutex, thread_lock how, await_site where) noexcept = 0;
    virtual void on_thread_order(const void* object, thread_order how) noexcept = 0;
    /// An access of what lies on this thread's own stack, while threads run that it has started: it
    /// may have shown it to them. No task sees another one's stack.
    virtual void on_stack_access(const coroscope::detail::access& made) noexcept = 0;
    /// A step frees a block, by that instruction, or a coroutine's frame (null). False: nobody
    /// wants to know of its uses.
    [[nodiscard]] virtual bool on_freed(const memory_block& block, const void* code) noexcept = 0;
    /// What was freed is used. False: it is not known to be.
    [[nodiscard]] virtual bool on_use_of_freed(const coroscope::detail::access& made) noexcept = 0;

protected:
    annotation_sink() = default;
    annotation_sink(const annotation_sink&) = default;
    annotation_sink& operator=(const annotation_sink&) = default;
    ~annotation_sink() = default;
};

/// Of this thread; set together with `access_listener`.
inline constinit thread_local annotation_sink* annotation_listener = nullptr;

/// Tells whoever listens on this thread; at least an `access_listener` does.
[[nodiscard]] std::uint64_t tell_access(const annotated_access& made) noexcept;
void tell_end_of_life(const void* object, std::size_t bytes) noexcept;

inline void note_use_of(const provenance& from, value_use how) noexcept {
    if (from.object != nullptr && annotation_listener != nullptr) [[unlikely]] {
        annotation_listener->on_value_used(from, how);
    }
}

/// Variables that belong together; known to every detector of this thread, be it made later.
class group_registration {
public:
    group_registration(const char* name, std::vector<const void*> members);
    ~group_registration();
    group_registration(const group_registration&) = delete;
    group_registration& operator=(const group_registration&) = delete;

    void tell(annotation_sink& to) const noexcept { to.on_group(this, {name_, {}}, members_); }
    /// Tells of all that there are on this thread.
    static void tell_all(annotation_sink& to) noexcept;

private:
    const char* name_;
    std::vector<const void*> members_;
    group_registration* previous_ = nullptr;
    group_registration* next_ = nullptr;
};

/// A `variable_label` in 8 bytes: with a name, the line is not kept.
class short_label {
public:
    explicit short_label(const variable_label& label) noexcept
        : bits_(label.name != nullptr ? reinterpret_cast<std::uintptr_t>(label.name) | name_bit
                                      : std::bit_cast<std::uint64_t>(label.created_at)) {}
    [[nodiscard]] variable_label get() const noexcept {
        if ((bits_ & name_bit) == 0) { return {nullptr, std::bit_cast<await_site>(bits_)}; }
        return {reinterpret_cast<const char*>(bits_ & ~name_bit), {}};  // NOLINT
    }

private:
    /// Of no address of a program.
    static constexpr std::uint64_t name_bit = std::uint64_t{1} << 63U;
    std::uint64_t bits_;
};

/// The part of an annotated variable that knows who used it last, and at which lines: 40 bytes.
///
/// **Cost**: with nobody listening, a load and a branch that is never taken. With a race detector,
/// a comparison and a store more for an access in the segment that made the last one of the kind.
class variable_cell {
public:
    explicit variable_cell(const variable_label& label) noexcept : label_(label) {}
    variable_cell(const variable_cell&) = delete;
    variable_cell& operator=(const variable_cell&) = delete;
    ~variable_cell() {
        if (annotation_listener != nullptr) [[unlikely]] {
            annotation_listener->on_cell_gone(*this);
        }
    }

    void note_read(const void* object, std::size_t bytes, await_site where) noexcept {
        if (coroscope::detail::access_listener == nullptr) [[likely]] { return; }
        if (read_in_ != current_segment || read_in_ == 0) [[unlikely]] {
            read_in_ = tell_access({this, object, bytes, access_kind::read, where, label_.get()});
        }
        read_at_ = where;
    }
    void note_write(const void* object, std::size_t bytes, await_site where,
                    written_value value = written_value::unknown,
                    const provenance& from = {}) noexcept {
        if (coroscope::detail::access_listener == nullptr) [[likely]] { return; }
        const bool is_stale = from.object != nullptr && from.segment != current_segment;
        if (written_in_ != current_segment || written_in_ == 0 || is_stale) [[unlikely]] {
            written_in_ = tell_access(
                {this, object, bytes, access_kind::write, where, label_.get(), value, from});
        }
        written_at_ = where;
    }
    [[nodiscard]] provenance last_read(const void* object) const noexcept {
        return {object, written_in_, read_in_};
    }
    /// The line of the last access of this kind in that segment, if it is the last segment that
    /// made one.
    [[nodiscard]] await_site last_line(access_kind kind, std::uint64_t segment) const noexcept {
        if (kind == access_kind::read) { return read_in_ == segment ? read_at_ : await_site(); }
        return written_in_ == segment ? written_at_ : await_site();
    }

private:
    std::uint64_t read_in_ = 0;
    std::uint64_t written_in_ = 0;
    await_site read_at_{};
    await_site written_at_{};
    short_label label_;
};

}  // namespace coroscope::instrumentation::detail
