"""A child of the benchmark whose loop is libvirtaio's, on asyncio.

It does what the children in Rust do, through the same functions of libvirt's,
and heeds the same orders: a number of operations on a line of its standard
input is answered by what they cost. Called with the name of a workload.
"""

import asyncio
import os
import struct
import sys
import threading
import time

import libvirt
import libvirtaio

READABLE = libvirt.VIR_EVENT_HANDLE_READABLE
ONE = struct.pack("@Q", 1)

# As in the children in Rust: workload/add_remove.rs, memory.rs, timers.rs.
BATCH = 16
PATIENCE = 2
KEPT = 10_000
TIMERS = 10_000
PERIOD = 100
LOOKS = 8
NEVER = 3_600_000


def event_fd(flags=os.EFD_NONBLOCK):
    return os.eventfd(0, flags | os.EFD_CLOEXEC)


def kick(fd):
    os.write(fd, ONE)


def take(fd):
    os.read(fd, 8)


def silent(*_):
    raise AssertionError("the loop called back for something that is never ready")


def watch(fd, ready):
    return libvirt.virEventAddHandle(fd, READABLE, ready, None)


class Round:
    """Runs the loop until `stop` is called on its thread, and measures that."""

    def __init__(self, loop):
        self.loop = loop
        self.done = None

    def run(self, begin):
        self.done = self.loop.create_future()
        cpu, wall = time.process_time_ns(), time.monotonic_ns()
        begin()
        self.loop.run_until_complete(self.done)
        return time.process_time_ns() - cpu, time.monotonic_ns() - wall

    def stop(self):
        if not self.done.done():
            self.done.set_result(None)


class PingPong:
    def __init__(self, turn, idle):
        self.turn, self.left, self.ball = turn, 0, event_fd()
        for _ in range(idle):
            watch(event_fd(), silent)
        watch(self.ball, self.ready)

    def ready(self, *_):
        take(self.ball)
        self.left -= 1
        if self.left > 0:
            kick(self.ball)
        else:
            self.turn.stop()

    def round(self, operations):
        self.left = operations
        return self.turn.run(lambda: kick(self.ball))


class Active:
    def __init__(self, turn, watches):
        self.turn, self.left = turn, 0
        for _ in range(watches):
            ball = event_fd()
            watch(ball, self.ready)
            kick(ball)

    def ready(self, _watch, ball, _events, _opaque):
        take(ball)
        kick(ball)
        self.left -= 1
        if self.left == 0:
            self.turn.stop()

    def round(self, operations):
        self.left = operations
        return self.turn.run(lambda: None)


class CrossThread:
    def __init__(self, turn, _):
        self.turn = turn
        self.there, self.back, self.end = event_fd(), event_fd(0), event_fd()
        watch(self.there, self.answer)
        watch(self.end, self.ended)

    def answer(self, *_):
        take(self.there)
        kick(self.back)

    def ended(self, *_):
        take(self.end)
        self.turn.stop()

    def serve(self, operations):
        wall = time.monotonic_ns()
        for _ in range(operations):
            kick(self.there)
            take(self.back)
        self.wall = time.monotonic_ns() - wall
        kick(self.end)

    def round(self, operations):
        thread = threading.Thread(target=self.serve, args=[operations])
        cpu, _ = self.turn.run(thread.start)
        thread.join()
        return cpu, self.wall


class AddRemove:
    def __init__(self, turn, registered):
        self.turn, self.left, self.waited = turn, 0, 0
        self.ball, self.spare = event_fd(), event_fd()
        for _ in range(registered):
            watch(event_fd(), silent)
        watch(self.ball, self.ready)

    def ready(self, *_):
        take(self.ball)
        if self.left > 0:
            pairs = min(self.left, BATCH)
            for _ in range(pairs):
                libvirt.virEventRemoveHandle(watch(self.spare, silent))
            self.left -= pairs
        else:
            self.waited += 1
            if self.waited > PATIENCE:
                return self.turn.stop()
        kick(self.ball)

    def round(self, operations):
        self.left, self.waited = operations, 0
        return self.turn.run(lambda: kick(self.ball))


class ZeroTimer:
    def __init__(self, turn, _):
        self.turn, self.left = turn, 0
        self.timer = libvirt.virEventAddTimeout(-1, self.ready, None)

    def ready(self, *_):
        self.left -= 1
        if self.left == 0:
            self.turn.stop()

    def round(self, operations):
        self.left = operations
        cost = self.turn.run(lambda: libvirt.virEventUpdateTimeout(self.timer, 0))
        libvirt.virEventUpdateTimeout(self.timer, -1)
        return cost


class Timers:
    def __init__(self, turn, phases):
        self.turn, self.left, self.late = turn, 0, []
        self.periods, self.last = [], {}

        async def add():
            # Timers are tasks, which are begun where the loop runs.
            for index in range(TIMERS):
                period = PERIOD + (index % 100 if phases == "spread" else 0)
                self.periods.append(period * 1_000_000)
                if index % LOOKS == 0:
                    self.last[index] = time.monotonic_ns()
                    libvirt.virEventAddTimeout(period, self.timed, index)
                else:
                    libvirt.virEventAddTimeout(period, self.ready, None)

        self.turn.loop.run_until_complete(add())

    def ready(self, *_):
        self.left -= 1
        if self.left == 0:
            self.turn.stop()

    def timed(self, _timer, index):
        now = time.monotonic_ns()
        self.late.append(max(0, now - self.last[index] - self.periods[index]))
        self.last[index] = now
        self.ready()

    def run(self, calls):
        self.left, self.late = calls, []
        return self.turn.run(lambda: None)

    def round(self, operations):
        self.run(TIMERS)
        cost = self.run(operations)
        late = sorted(self.late)
        if not late:
            return cost
        percentiles = [late[-(-len(late) * of // 100) - 1] for of in (50, 99, 100)]
        return *cost, "late", *percentiles


class Memory:
    def __init__(self, turn, kept):
        self.turn, self.kept, self.left = turn, kept, 0
        self.ball = event_fd()
        watch(self.ball, self.ready)
        self.descriptors = [event_fd() for _ in range(KEPT if kept == "watch" else 0)]

    def add(self, index):
        if self.kept == "watch":
            return watch(self.descriptors[index], silent)
        return libvirt.virEventAddTimeout(NEVER, silent, None)

    def ready(self, *_):
        take(self.ball)
        self.left -= 1
        if self.left > 0:
            kick(self.ball)
        else:
            self.turn.stop()

    def iterate(self):
        self.left = 4
        self.turn.run(lambda: kick(self.ball))

    def round(self, operations):
        remove = {
            "watch": libvirt.virEventRemoveHandle,
            "timer": libvirt.virEventRemoveTimeout,
        }
        for identity in [self.add(index) for index in range(16)]:
            remove[self.kept](identity)
        self.iterate()
        before = resident()
        cpu, wall = time.process_time_ns(), time.monotonic_ns()
        for index in range(operations):
            self.add(index)
        cpu, wall = time.process_time_ns() - cpu, time.monotonic_ns() - wall
        self.iterate()
        return cpu, wall, "bytes", max(0, resident() - before)


def resident():
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:
        for line in rollup:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel names no resident memory")


FAMILIES = {
    "ping-pong": (PingPong, int),
    "active": (Active, int),
    "cross-thread": (CrossThread, str),
    "add-remove": (AddRemove, int),
    "timers": (Timers, str),
    "zero-timer": (ZeroTimer, str),
    "memory": (Memory, str),
}


def main():
    family, _, variety = sys.argv[1].partition("/")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    libvirtaio.virEventRegisterAsyncIOImpl(loop)
    workload, kind = FAMILIES[family]
    rounds = workload(Round(loop), kind(variety))
    print("ready", flush=True)
    for order in sys.stdin:
        print(*rounds.round(int(order)), flush=True)
    # Without the interpreter's clean-up of ten thousand tasks.
    os._exit(0)


try:
    main()
except Exception as error:  # The parent shows it to the user.
    print(f"error: {type(error).__name__}: {error}", flush=True)
    os._exit(1)
