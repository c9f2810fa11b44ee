#!/usr/bin/env python3
"""Many cells in one session, one in ten of them a fault; a report of what happened.

    make soak        (or: .venv/bin/python Tests/ConformanceTests/soak.py --cells 2000 --seed 1)

Checked after every fault: the request is answered with an error and `idle`, the variables are as promised (kept, or
said to be lost and then really gone), and the next cell works. All along: control requests are answered, descriptors
and memory of the kernel stay bounded. The order is drawn from the seed.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from processes import host_of  # noqa: E402

# What a fault does to the variables.
KEPT, LOST, EITHER = "kept", "lost", "either"


@dataclasses.dataclass
class Fault:
    name: str
    code: str
    state: str = KEPT
    # Interrupt the cell, or kill its process, once it has printed "go".
    then: str = ""
    names: tuple = ()


FAULTS = [
    Fault("index out of range", "let a = [1]\na[5]", names=("FatalError",)),
    Fault("nil", "let none: Int? = nil\nnone!", names=("FatalError",)),
    Fault("fatalError", 'fatalError("no more")', names=("FatalError",)),
    Fault("recursion", "func deep(_ n: Int) -> Int { deep(n + 1) + 1 }\ndeep(0)", names=("StackOverflow",)),
    Fault("recursion that allocates", "func more(_ n: Int) -> [Int] { [n] + more(n + 1) }\nmore(0)",
          names=("StackOverflow",)),
    Fault("null pointer", "UnsafePointer<Int>(bitPattern: 8)!.pointee"),
    Fault("thrown error", "struct Oops: Error {}\nthrow Oops()", names=("Oops",)),
    Fault("exit", "exit(3)", names=("Exit",)),
    Fault("abort", "abort()", names=("Abort",)),
    Fault("syntax", "let = ", names=("CompileError",)),
    Fault("type error", 'let n: Int = "text"', names=("CompileError",)),
    Fault("trap in a task", "func bad() async -> Int { [Int]()[1] }\nawait bad()", names=("FatalError",)),
    Fault("trap on the main actor", "@MainActor func worse() { _ = [Int]()[1] }\nawait worse()", names=("FatalError",)),
    Fault("signal in a task", "func sig() async { raise(SIGFPE) }\nawait sig()"),
    Fault("closed descriptors", 'for d in 0...50 { close(Int32(d)) }\nthrow CancellationError()'),
    Fault("endless loop", 'print("go")\nwhile true {}', then="interrupt", names=("Interrupted",)),
    Fault("endless print", 'print("go")\nwhile true { print("x") }', then="interrupt", names=("Interrupted",)),
    Fault("long sleep", 'print("go")\nfflush(stdout)\nsleep(600)', then="interrupt", names=("Interrupted",)),
    Fault("deadlock", 'let l = NSLock()\nprint("go")\nl.lock()\nl.lock()', then="interrupt", names=("Interrupted",)),
    Fault("long await", 'print("go")\ntry await Task.sleep(for: .seconds(600))', then="interrupt",
          names=("Interrupted",)),
    Fault("killed host", 'print("go")\nwhile true {}', LOST, then="kill", names=("HostDied",)),
    Fault("host kills itself", "kill(getpid(), SIGKILL)", LOST, names=("HostDied",)),
    Fault("double free", "let p = malloc(8)!\nfree(p)\nfree(p)", LOST),
    Fault("overwritten heap", "let q = malloc(24)!.assumingMemoryBound(to: UInt64.self)\nq[-1] = ~0\nfree(q)", LOST),
]  # fmt: skip

CELLS = [
    "let v{i} = {i}\nv{i}",
    "func f{i}(_ x: Int) -> Int {{ x * {i} }}\nf{i}(2)",
    "struct S{i} {{ var a = {i} }}\nlet s{i} = S{i}()\ns{i}.a",
    'let t{i} = String(format: "%05d", {i})\nprint(t{i})',
    "extension Int {{ var plus{i}: Int {{ self + {i} }} }}\n5.plus{i}",
    "var sum{i} = 0\nfor k in 0..<1000 {{ sum{i} += k }}\nsum{i}",
    "func later{i}() async -> Int {{ {i} }}\nawait later{i}()",
]


@dataclasses.dataclass
class Report:
    cells: int = 0
    faults: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list = dataclasses.field(default_factory=list)
    times: list = dataclasses.field(default_factory=list)
    stops: list = dataclasses.field(default_factory=list)
    kernel: list = dataclasses.field(default_factory=list)

    def __str__(self):
        def spread(values):
            return f"median {statistics.median(values):.0f}, greatest {max(values):.0f}" if values else "none"

        lines = [f"{self.cells} cells, {sum(self.faults.values())} of them faults of {len(self.faults)} kinds:"]
        lines += [f"  {count:4}  {name}" for name, count in sorted(self.faults.items())]
        lines += [
            f"a good cell took (ms): {spread(self.times)}",
            f"from an interrupt to idle (ms): {spread(self.stops)}",
            "kernel at start and end: " + " -> ".join(
                f"{mb:.0f} MB, {fds} descriptors, {threads} threads" for mb, fds, threads in self.kernel),
            f"answers that were not as promised: {len(self.wrong)}", *(f"  {text}" for text in self.wrong),
        ]  # fmt: skip
        return "\n".join(lines)


def measure(pid):
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])


def is_told_lost(name, explanation):
    """Whether `name` stands in the list of what was lost. Of very many names the list has the first forty and the number
    of all: then `name` must be one that comes behind those."""
    cut = re.search(r"Lost: (.+), … \((\d+) names\)", explanation)
    if not cut:
        return name in explanation
    listed = cut[1].split(", ")
    return name in listed or (len(listed) == 40 < int(cut[2]) and max(listed) < name)


class Soak:
    def __init__(self, kernel, cells, seed, tell=lambda text: None):
        self.kernel, self.count, self.tell = kernel, cells, tell
        self.random = random.Random(seed)
        self.report = Report()
        self.order = []

    def check(self, isTrue, text):
        if not isTrue:
            self.report.wrong.append(f"cell {self.report.cells}: {text}"[:600])
            self.tell(self.report.wrong[-1])

    def prepare(self):
        outcome = self.kernel.execute("import Foundation\nvar treasure = [1, 2, 3]", timeout=180)
        self.check(outcome.status == "ok", f"preparing: {outcome.explanation}")

    def run(self):
        self.prepare()
        self.report.kernel.append(measure(self.kernel.pid))
        for i in range(1, self.count + 1):
            self.report.cells = i
            if i % 10 == 0:
                self.fault(i)
            else:
                self.good(i)
            if i % 25 == 0:
                reply = self.kernel.ask("kernel_info_request", channel="control", timeout=60)
                self.check(reply.status == "ok", "kernel_info on control")
                self.tell(f"{i} cells")
        self.report.kernel.append(measure(self.kernel.pid))
        return self.report

    def good(self, i):
        began = time.monotonic()
        code = CELLS[i % len(CELLS)].format(i=i)
        outcome = self.kernel.execute(code, timeout=180)
        self.report.times.append(1000 * (time.monotonic() - began))
        self.check(outcome.status == "ok", f"{code}: {outcome.explanation}")
        shown = outcome.of("execute_result") or outcome.of("stream")
        self.check(bool(shown), f"{code}: nothing was shown")

    def fault(self, i):
        # Every kind before any comes again.
        if not self.order:
            self.order = self.random.sample(FAULTS, len(FAULTS))
        fault = self.order.pop()
        self.report.faults[fault.name] += 1
        cell = self.kernel.submit(fault.code)
        if fault.then:
            self.kernel.wait_for_output(cell, "go", timeout=180)
            began = time.monotonic()
            if fault.then == "interrupt":
                self.kernel.interrupt()
            else:
                os.kill(host_of(self.kernel), signal.SIGKILL)
        outcome = self.kernel.outcome(cell, timeout=180)
        if fault.then == "interrupt":
            self.report.stops.append(1000 * (time.monotonic() - began))
        self.check(outcome.status == "error", f"{fault.name}: answered {outcome.status}")
        if outcome.status == "error":
            self.check(outcome.kinds[-2:] == ["error", "idle"], f"{fault.name}: {outcome.kinds[-3:]}")
            self.check(not fault.names or outcome.content["ename"] in fault.names,
                       f"{fault.name}: {outcome.explanation}")  # fmt: skip
        self.look_after(fault, outcome)

    def look_after(self, fault, outcome):
        treasure = self.kernel.execute("treasure", timeout=180)
        if fault.state == KEPT:
            self.check(treasure.status == "ok" and treasure.result == "[1, 2, 3]",
                       f"{fault.name}: the variables are gone: {treasure.explanation}\n{outcome.explanation}")  # fmt: skip
        elif fault.state == LOST:
            self.check(is_told_lost("treasure", outcome.explanation),
                       f"{fault.name}: not said what was lost: {outcome.explanation}")  # fmt: skip
            self.check(treasure.status == "error", f"{fault.name}: said to be lost, and there")
        if treasure.status != "ok":
            self.prepare()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from harness import Kernel

    executable = HERE.parents[1] / ".build/release/icl-kernel"
    with tempfile.TemporaryDirectory(prefix="icl-soak-") as scratch:
        subprocess.run(
            [executable, "install", "--prefix", scratch, "--name", "swift-soak"], check=True, stdout=subprocess.DEVNULL
        )
        os.environ |= {"JUPYTER_PATH": f"{scratch}/share/jupyter", "ICL_HISTORY": f"{scratch}/history.sqlite"}
        with Kernel("swift-soak") as kernel:
            report = Soak(kernel, options.cells, options.seed, lambda text: print(text, file=sys.stderr)).run()
    print(report)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
