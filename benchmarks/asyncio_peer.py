#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the operations of our benchmarks in Python's asyncio, and adds them to the results.

usage: asyncio_peer.py [--quick] [--rounds N] [--scale F] --program PROGRAM FILE

Each row of FILE that has a counterpart here gets the key `asyncio`: the cost of one operation, in the
row's unit. PROGRAM is coroscope_benchmarks, which is the client of the echo rows. Each row is
measured in a process of its own: the median of the rounds, after one to warm up. Prints the table.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

OLDEST = (3, 11)
PROCESSORS = sorted(os.sched_getaffinity(0))
measured_on = PROCESSORS[0]


def loading_processors():
    """For threads and processes that load what is measured: another one, where there is any."""
    return {each for each in PROCESSORS if each != measured_on} or {measured_on}


# --- What is measured: nanoseconds of so many operations. Work that never blocks is measured in
# processor time of its thread, what uses two threads or processes in wall time.

def run_measured(main):
    """The nanoseconds of a coroutine, without those of starting a loop."""
    async def timed():
        began = time.thread_time_ns()
        await main
        return time.thread_time_ns() - began
    return asyncio.run(timed())


async def yielding(times):
    for _ in range(times):
        await asyncio.sleep(0)


def yields(count, tasks):
    async def main():
        await asyncio.gather(*(yielding(count // tasks) for _ in range(tasks)))
    return run_measured(main()) / (count // tasks * tasks)


async def child(value):
    return value + 1


async def spawning(count):
    loop = asyncio.get_running_loop()
    total = 0
    for i in range(count):
        total += await loop.create_task(child(i))


async def descend(levels):
    if levels == 1:
        return 1
    return await descend(levels - 1) + 1


async def chaining(count):
    for _ in range(count):
        await descend(10)


async def playing(count):
    ping, pong = asyncio.Queue(1), asyncio.Queue(1)

    async def answer():
        for _ in range(count):
            await pong.put(await ping.get() + 1)

    answering = asyncio.ensure_future(answer())
    ball = 0
    for _ in range(count):
        await ping.put(ball + 1)
        ball = await pong.get()
    await answering


async def numbers(count):
    for i in range(count):
        yield i


async def consuming(count):
    total = 0
    async for value in numbers(count):
        total += value


async def contending(count):
    lock = asyncio.Lock()

    async def contend():
        await lock.acquire()
        await asyncio.sleep(0)
        for _ in range(count // 2):
            lock.release()
            await lock.acquire()
        lock.release()

    await asyncio.gather(contend(), contend())


async def limiting(count):
    async def work():
        await asyncio.sleep(0)

    for _ in range(count):
        await asyncio.wait_for(work(), 60)


def deadlines(loop, count):
    """As in timers.cpp: all in the future while the timers are armed, within 100 ms."""
    source = random.Random(42)
    begin = loop.time() + 0.02 + count * 4e-6
    return [begin + source.random() * 0.1 for _ in range(count)]


def fire_timers(count):
    loop = asyncio.new_event_loop()
    left = count

    def fire():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    at = deadlines(loop, count)
    began = time.thread_time_ns()
    for when in at:
        loop.call_at(when, fire)
    time.sleep(max(0.0, max(at) - loop.time()))
    loop.run_forever()
    took = time.thread_time_ns() - began
    loop.close()
    return took / count


def cancel_timers(count):
    loop = asyncio.new_event_loop()
    at = deadlines(loop, count)
    began = time.thread_time_ns()
    timers = [loop.call_at(when, print) for when in at]
    for timer in timers:
        timer.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    took = time.thread_time_ns() - began
    loop.close()
    return took / count


def post(count):
    loop = asyncio.new_event_loop()
    left = count

    def arrive():
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()

    def give():
        os.sched_setaffinity(0, loading_processors())
        for _ in range(count):
            loop.call_soon_threadsafe(arrive)

    began = time.perf_counter_ns()
    poster = threading.Thread(target=give)
    poster.start()
    loop.run_forever()
    took = time.perf_counter_ns() - began
    poster.join()
    loop.close()
    return took / count


def echo(count, connections, program):
    async def session(reader, writer):
        try:
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def main():
        server = await asyncio.start_server(session, "127.0.0.1", 0, backlog=connections)
        port = server.sockets[0].getsockname()[1]
        client = subprocess.Popen([program, "--echo-load", str(port), str(connections), str(count)],
                                  stdout=subprocess.PIPE,
                                  preexec_fn=lambda: os.sched_setaffinity(0, loading_processors()))
        shown, _ = await asyncio.get_running_loop().run_in_executor(None, client.communicate)
        server.close()
        if client.returncode != 0:
            raise RuntimeError("the client of the echo benchmark failed")
        return float(shown)

    return asyncio.run(main())


# Name: operations of a full run, and how to measure so many.
ROWS = {
    "yield_2": (200_000, lambda n, _: yields(n, 2)),
    "yield_1000": (200_000, lambda n, _: yields(n, 1000)),
    "spawn_join": (100_000, lambda n, _: run_measured(spawning(n)) / n),
    "await_chain_10": (100_000, lambda n, _: run_measured(chaining(n)) / n),
    "queue_pingpong": (50_000, lambda n, _: run_measured(playing(n)) / n),
    "generator_next": (300_000, lambda n, _: run_measured(consuming(n)) / n),
    "mutex_handover": (100_000, lambda n, _: run_measured(contending(n)) / (n // 2 * 2)),
    "wait_for": (50_000, lambda n, _: run_measured(limiting(n)) / n),
    "timers_1m": (1_000_000, lambda n, _: fire_timers(n)),
    "timer_cancel_1m": (1_000_000, lambda n, _: cancel_timers(n)),
    "post_cross_thread": (100_000, lambda n, _: post(n)),
    "tcp_echo_50": (20_000, lambda n, program: echo(n, 50, program)),
    "tcp_echo_1000": (20_000, lambda n, program: echo(n, 1000, program)),
}


def quickest_processor():
    """Those of a virtual machine differ while somebody else uses the other half of a core."""
    def cost_on(processor):
        os.sched_setaffinity(0, {processor})
        costs = []
        for _ in range(5):
            began = time.thread_time_ns()
            sum(map(abs, range(20_000)))
            costs.append(time.thread_time_ns() - began)
        return min(costs)
    return min(PROCESSORS[:8], key=cost_on)


def measure(name, rounds, scale, program):
    count, one_round = ROWS[name]
    global measured_on
    measured_on = quickest_processor()
    os.sched_setaffinity(0, {measured_on})
    scaled = min(count, max(1000, int(count * scale)))
    values = [one_round(scaled, program) for _ in range(rounds + 1)]
    return statistics.median(values[1:])


def measure_in_child(name, options):
    command = [sys.executable, "-B", __file__, "--measure", name, "--rounds", str(options.rounds),
               "--scale", str(options.scale), "--program", options.program, str(options.file)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def write_table(rows):
    version = ".".join(str(n) for n in sys.version_info[:3])
    print(f"\nPython {version}: asyncio beside the same rows (times: its cost divided by ours)")
    print(f"{'name':<24}{'ours':>11}{'asyncio':>11}{'times':>9}  unit")
    for row in rows:
        if "asyncio" in row:
            print(f"{row['name']:<24}{row['ours']:>11.1f}{row['asyncio']:>11.1f}"
                  f"{row['asyncio'] / row['ours']:>9.2f}  {row['unit']}")


def merge(options):
    rows = json.loads(options.file.read_text(encoding="utf-8"))
    for row in rows:
        if row["name"] in ROWS:
            row["asyncio"] = float(f"{measure_in_child(row['name'], options):.6g}")
    text = ",\n".join("  " + json.dumps(row) for row in rows)
    options.file.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    write_table(rows)


def main():
    if sys.version_info < OLDEST:
        print(f"asyncio_peer.py: Python {OLDEST[0]}.{OLDEST[1]} or newer is needed", file=sys.stderr)
        return 3
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ", 1)[1])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--scale", type=float)
    parser.add_argument("--program", required=True)
    parser.add_argument("--measure", choices=ROWS)
    parser.add_argument("file", type=pathlib.Path)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 11)
    options.scale = options.scale or (0.25 if options.quick else 1.0)
    if options.measure:
        print(measure(options.measure, options.rounds, options.scale, options.program))
    else:
        merge(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
