# SPDX-License-Identifier: Apache-2.0
"""Tasks of coroscope in gdb: of a process that it has stopped, or of a core file.

    (gdb) source /usr/share/coroscope/coroscope-gdb.py
    (gdb) coroscope-tasks
    (gdb) coroscope-tasks --stacks

Reads the task table by what its header says of itself (runtime/task_table_header.hpp), so it needs
neither symbols nor debug information. For a core file name the program too (`gdb PROGRAM CORE`): the
names of source files are in the program.
"""

import re
import struct

import gdb

VERSION = 1
MAGIC = b"coroscope tasks\0"
MOST_SLABS = 1 << 20
LARGEST_SLAB = 1 << 30
MOST_FRAMES = 1000
MOST_SITES = 256
LONGEST_TEXT = 4096
LONGEST_NAME = 256
NUMBERS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


class TableError(Exception):
    pass


def number_at(address, size=8):
    return struct.unpack(NUMBERS[size], bytes(memory(address, size)))[0]


def memory(address, size):
    return gdb.selected_inferior().read_memory(address, size)


def text_at(address, longest=LONGEST_TEXT):
    """Up to the terminating zero; empty where it cannot be read."""
    text = b""
    try:
        while len(text) < longest:
            letter = bytes(memory(address + len(text), 1))
            if letter == b"\0":
                break
            text += letter
    except gdb.MemoryError:
        return ""
    return text.decode("utf-8", "replace")


class Header:
    """What describes the table."""

    _WORDS = ("slab_chunk_size slab_entry_bytes slab_first_offset slab_stride_offset "
              "slab_carved_offset record_bytes record_magic task_offset").split()
    _OFFSETS = ("frame_parent frame_task frame_site frame_resume origin_count origin_sites "
                "name_extras name_address name_length").split()
    _MOST_FIELDS = 20
    _LAYOUT = struct.Struct("<16sIIQIIQQ8IQ3Ii5I4xdII" + "24sII" * _MOST_FIELDS + "64s256s")

    def __init__(self, address):
        values = iter(self._LAYOUT.unpack(bytes(memory(address, self._LAYOUT.size))))
        magic, self.version, _, itself = (next(values) for _ in range(4))
        self.is_right = magic == MAGIC and itself == address
        self.is_used, _, self.slab_chunks, self.slab_count = (next(values) for _ in range(4))
        for name in self._WORDS:
            setattr(self, name, next(values))
        self.steps_mask = next(values)
        for name in self._OFFSETS:
            setattr(self, name, next(values))
        self.nanoseconds_per_tick, _, count = (next(values) for _ in range(3))
        self.fields = {}
        for i in range(self._MOST_FIELDS):
            name, offset, size = (next(values) for _ in range(3))
            if i < count:
                self.fields[self._text(name)] = (offset, size)
        self.states = self._text(next(values)).split(",")
        self.wait_kinds = self._text(next(values)).split(",")

    @staticmethod
    def _text(padded):
        return padded.split(b"\0", 1)[0].decode("utf-8", "replace")


def file_mappings():
    """Where files are mapped, as gdb tells it of a process or a core file."""
    try:
        lines = gdb.execute("info proc mappings", to_string=True).splitlines()
    except gdb.error:  # there is neither
        lines = []
    for line in lines:
        found = re.match(r"\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s.*\s/", line)
        if found:
            yield int(found.group(1), 16), int(found.group(2), 16)


def searched_addresses():
    for begin, end in file_mappings():
        while begin < end:
            try:
                found = gdb.selected_inferior().search_memory(begin, end - begin, MAGIC)
            except gdb.error:  # not all of it is there
                break
            if found is None:
                break
            yield found
            begin = found + 1


def find_headers():
    try:
        addresses = [int(gdb.parse_and_eval("(unsigned long)&coroscope_task_table"))]
    except gdb.error:
        addresses = [a for a in searched_addresses() if a % 64 == 0]
    headers = []
    for address in addresses:
        try:
            header = Header(address)
        except gdb.MemoryError:
            continue
        if header.is_right:
            headers.append(header)
    if not headers:
        raise TableError("no coroscope runtime here; is there a process or a core file, of a program "
                         "that is linked with coroscope::runtime?")
    for header in headers:
        if not 0 < header.version <= VERSION:
            raise TableError(f"the task table has version {header.version}, and this script reads "
                             f"{VERSION}; use the script of the coroscope that the program has")
    return headers


class Task:
    """One record, copied."""

    def __init__(self, header, address, block):
        self._header = header
        self._address = address
        self._block = block

    def number(self, name):
        offset, size = self._header.fields.get(name, (0, 0))
        if size not in NUMBERS or offset + size > len(self._block):
            return 0
        return struct.unpack_from(NUMBERS[size], self._block, offset)[0]

    @property
    def is_there(self):
        return (self.number("id") != 0 and self.number("magic") == self._header.record_magic
                and self.state != "done")

    @property
    def state(self):
        if self.number("sequence") % 2:
            return "running"
        states = self._header.states
        number = self.number("state")
        return states[number] if number < len(states) else "unknown"

    @property
    def steps(self):
        return (self.number("sequence") & self._header.steps_mask) // 2

    @property
    def name(self):
        offset, size = self._header.fields.get("name", (0, 0))
        letters = self._block[offset:offset + size]
        name = letters.split(b"\0", 1)[0].decode("utf-8", "replace")
        if letters and b"\0" not in letters:
            name = self._long_name(name)
        return name or f"task-{self.number('id')}"

    def _long_name(self, beginning):
        try:
            extras = number_at(self._address + self._header.name_extras)
            length = number_at(extras + self._header.name_length)
            letters = number_at(extras + self._header.name_address)
            name = bytes(memory(letters, min(length, LONGEST_NAME))).decode("utf-8", "replace")
        except gdb.MemoryError:
            return beginning
        return name if name.startswith(beginning) else beginning

    def waits_on(self, names):
        if self.state != "waiting":
            return "-"
        kinds = self._header.wait_kinds
        number = self.number("waits_for")
        kind = kinds[number] if number < len(kinds) else "unknown"
        loop, thing = self.number("loop_id"), self.number("wait_object")
        if kind in ("nothing", "sleep", "clock"):
            return kind
        if kind == "task":
            return names.get((loop, thing), f"task {thing}")
        text = f"{kind} {thing}"
        if kind == "mutex":
            try:
                owner = number_at(self.number("wait_detail"))
            except gdb.MemoryError:
                owner = 0
            if owner:
                text += ", held by " + names.get((loop, owner), f"task {owner}")
        return text

    def origin(self):
        entry = self.number("origin")
        if entry % 2 == 0:
            return [entry]
        try:
            count = min(number_at(entry - 1 + self._header.origin_count), MOST_SITES)
            sites = entry - 1 + self._header.origin_sites
            return [number_at(sites + 8 * i) for i in range(count)]
        except gdb.MemoryError:
            return []

    def stack(self):
        """The sites of its frames, innermost first; none if it runs."""
        sites = []
        frame = 0 if self.state == "running" else self.number("frame")
        try:
            while frame and len(sites) < MOST_FRAMES:
                task = number_at(frame + self._header.frame_task)
                if task != self._address + self._header.task_offset:
                    break
                sites.append(number_at(frame + self._header.frame_site))
                frame = number_at(frame + self._header.frame_parent)
        except gdb.MemoryError:
            pass
        return sites


class Sites:
    """What addresses of sites stand for; each is read once."""

    def __init__(self):
        self._known = {0: "-"}

    def __call__(self, address):
        if address not in self._known:
            self._known[address] = self._read(address)
        return self._known[address]

    @staticmethod
    def _read(address):
        try:
            file, function, line = struct.unpack("<QQI", bytes(memory(address, 20)))
        except gdb.MemoryError:
            return "(unknown)"
        return f"{text_at(file) or '(unknown)'}:{line} in {text_at(function)}"


def slabs_of(header):
    if not header.is_used:
        return
    count = number_at(header.slab_count)
    if count > MOST_SLABS or header.slab_chunk_size == 0:
        raise TableError("the task table cannot be right: its memory was overwritten")
    for i in range(count):
        chunk = number_at(header.slab_chunks + i // header.slab_chunk_size * 8)
        entry = chunk + i % header.slab_chunk_size * header.slab_entry_bytes
        first, stride, carved = (number_at(entry + offset) for offset in (
            header.slab_first_offset, header.slab_stride_offset, header.slab_carved_offset))
        if stride < header.record_bytes or stride * carved > LARGEST_SLAB:
            raise TableError("the task table cannot be right: its memory was overwritten")
        yield first, stride, carved


def tasks_of(header):
    tasks = []
    for first, stride, carved in slabs_of(header):
        blocks = bytes(memory(first, stride * carved)) if carved else b""
        for i in range(carved):
            task = Task(header, first + i * stride, blocks[i * stride:(i + 1) * stride])
            if task.is_there:
                tasks.append(task)
    return sorted(tasks, key=lambda t: (t.number("loop_id"), t.number("id")))


def printable(text):
    return "".join(c if c.isprintable() else "?" for c in text)


class CoroscopeTasks(gdb.Command):
    """List the tasks of a program that runs on coroscope: coroscope-tasks [--stacks]

With --stacks, the co_await of each of a task's coroutines too, innermost first, and how it was created."""

    def __init__(self):
        super().__init__("coroscope-tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument not in ("", "--stacks"):
            raise gdb.GdbError("usage: coroscope-tasks [--stacks]")
        try:
            for header in find_headers():
                self._print(tasks_of(header), argument == "--stacks")
        except TableError as error:
            raise gdb.GdbError(str(error))
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"the task table is not all there: {error}")

    @staticmethod
    def _print(tasks, stacks):
        site = Sites()
        names = {(t.number("loop_id"), t.number("id")): f"task {t.number('id')} '{t.name}'"
                 for t in tasks}
        if not tasks:
            print("no tasks are alive")
        for task in tasks:
            print(printable(f"task {task.number('id')} ({task.name}), {task.state}, waits on "
                            f"{task.waits_on(names)}, {task.steps} steps"))
            for address in task.stack() if stacks else [task.number("site")]:
                print(printable(f"  {site(address)}"))
            if stacks:
                print("created at")
                for address in task.origin():
                    print(printable(f"  {site(address)}"))


CoroscopeTasks()
