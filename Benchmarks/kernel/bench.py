#!/usr/bin/env python3
"""How long a user waits: this kernel beside ipykernel and beside the bare compiler calls, in one run.

    make bench                                         about four minutes on two quiet cores
    .venv/bin/python Benchmarks/kernel/bench.py --full  also cell 2,000: half an hour more
    … --only starts cells growth completion output      some of it

The kernels and the compiler take turns, so that a slow moment of the machine falls on all of them. Every figure is a
median with its quartiles, as a `jupyter_client` sees it. The result is printed and written to out/bench-kernel.md and
.json with a description of the machine.

- start to idle       from launching the process to the first `idle`
- start to first cell from launching the process to the end of a first `1+1`
- 1+1, 10 lines       execute_request to `idle`; the ten lines use Foundation (math, for ipykernel)
- bare compiler       the user's text of the same cell through `swift-frontend` and `ld.lld`, nothing else; `added`
                      is the median of the differences to it, turn by turn. `processor` is user and system time of all
                      processes, which other work on the machine distorts less
- cell 10, 200, 2000  the median of the ten cells around that number, in a session of cells that each declare a name;
                      `chained` cells also use the name of the cell before, so that each depends on all
- completion          complete_request to its reply, warm
- output              100,000 short lines; 200 lines of 1 MiB
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess

from session import Compiler, Session

OURS, PEER = "swift-icl", "python3"

SWIFT_LINES = """import Foundation
struct Sample { var name: String; var values: [Double] }
func summary(_ s: Sample) -> String {
  let mean = s.values.reduce(0, +) / Double(s.values.count)
  let spread = s.values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
  return s.name + ": " + String(format: "%.3f ± %.3f", mean, (spread / Double(s.values.count)).squareRoot())
}
let samples = (0..<5).map { i in Sample(name: "s\\(i)", values: (0..<10).map { Double($0 * i) }) }
for s in samples { print(summary(s)) }
samples.count
"""
PYTHON_LINES = """import math
class Sample:
    def __init__(self, name, values): self.name, self.values = name, values
def summary(s):
    mean = sum(s.values) / len(s.values)
    spread = sum((v - mean) ** 2 for v in s.values)
    return f"{s.name}: {mean:.3f} ± {math.sqrt(spread / len(s.values)):.3f}"
samples = [Sample(f"s{i}", [float(j * i) for j in range(10)]) for i in range(5)]
for s in samples: print(summary(s))
len(samples)
"""
LINES, BLOCKS = 100_000, 200
CELLS = {
    OURS: {
        "lines": SWIFT_LINES,
        "alone": "let v{n} = {n} + 1\nv{n}",
        "chained": "let v{n} = v{p} + 1\nv{n}",
        "complete": ("let greeting = \"hello\"", "greeting.upp"),
        "print lines": f'for i in 0..<{LINES} {{ print("line", i) }}',
        "print blocks": f'let block = String(repeating: "x", count: (1 << 20) - 1)\nfor _ in 0..<{BLOCKS} {{ print(block) }}',
    },
    PEER: {
        "lines": PYTHON_LINES,
        "alone": "v{n} = {n} + 1\nv{n}",
        "chained": "v{n} = v{p} + 1\nv{n}",
        "complete": ("greeting = \"hello\"", "greeting.upp"),
        "print lines": f'for i in range({LINES}): print("line", i)',
        "print blocks": f'block = "x" * ((1 << 20) - 1)\nfor _ in range({BLOCKS}): print(block)',
    },
}
PRINTED = {"print lines": sum(len(f"line {i}\n") for i in range(LINES)), "print blocks": BLOCKS << 20}


class Results:
    """Measured values by what was measured and who."""

    def __init__(self):
        self.values = {}

    def add(self, what, who, value):
        self.values.setdefault(what, {}).setdefault(who, []).append(value)

    def median(self, what, who):
        return statistics.median(self.values[what][who])

    def summary(self):
        def one(values):
            low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
            return {"median": statistics.median(values), "quartiles": [low, high], "n": len(values)}

        return {what: {who: one(v) for who, v in rows.items()} for what, rows in self.values.items()}


def starts(results, names, repeat):
    for _ in range(repeat):
        for name in names:
            session = Session(name)
            results.add("start to idle (ms)", name, session.start)
            session.run("1+1")
            results.add("start to first cell (ms)", name, session.since_start())
            session.close()


def cells(results, names, repeat):
    compiler = Compiler()
    with contextlib.ExitStack() as stack:
        sessions = {name: stack.enter_context(contextlib.closing(Session(name))) for name in names}
        for session in sessions.values():
            session.run("1+1")
        used = {"1+1": {}, "10 lines": {}}
        for turn in range(repeat):
            for what, bare, foundation in (("1+1", "let value = 1+1\nprint(value)\n", False),
                                           ("10 lines", SWIFT_LINES.rstrip().replace("\nsamples.count", "\nprint(samples.count)"), True)):  # fmt: skip
                took, busy = compiler.build(bare, foundation)
                results.add(f"{what} (ms)", "bare compiler", took)
                used[what].setdefault("bare compiler", []).append(busy)
                for name, session in sessions.items():
                    before = session.processor_time()
                    results.add(f"{what} (ms)", name, session.run("1+1" if what == "1+1" else CELLS[name]["lines"]))
                    used[what].setdefault(name, []).append(session.processor_time() - before)
                results.add(f"{what}, added to the bare compiler (ms)", OURS,
                            results.values[f"{what} (ms)"][OURS][-1] - took)  # fmt: skip
        # The system counts in hundredths of a second: only the mean of many says something.
        for what, rows in used.items():
            for name, values in rows.items():
                results.add(f"{what}, processor time, mean (ms)", name, statistics.mean(values))


def growth(results, names, last):
    marks = [mark for mark in (10, 200, 2000) if mark <= last]
    for style in ("alone", "chained"):
        for name in names:
            with contextlib.closing(Session(name)) as session:
                session.run("let v0 = 0" if name == OURS else "v0 = 0")
                for number in range(1, marks[-1] + 5):
                    took = session.run(CELLS[name][style].format(n=number, p=number - 1))
                    for mark in marks:
                        if mark - 5 <= number < mark + 5:
                            results.add(f"cell {mark}, {style} (ms)", name, took)
                    if number in marks and style == "alone":
                        results.add(f"memory of the kernel at cell {number} (MiB)", name, session.memory())


def completion(results, names, repeat):
    with contextlib.ExitStack() as stack:
        sessions = {name: stack.enter_context(contextlib.closing(Session(name))) for name in names}
        for name, session in sessions.items():
            session.run(CELLS[name]["complete"][0])
            results.add("completion, the first (ms)", name, session.complete(CELLS[name]["complete"][1]))
        for _ in range(repeat):
            for name, session in sessions.items():
                results.add("completion (ms)", name, session.complete(CELLS[name]["complete"][1]))


def output(results, names, repeat):
    with contextlib.ExitStack() as stack:
        sessions = {name: stack.enter_context(contextlib.closing(Session(name))) for name in names}
        for session in sessions.values():
            session.run("1+1")
        for _ in range(repeat):
            for what in ("print lines", "print blocks"):
                for name, session in sessions.items():
                    took = session.run(CELLS[name][what], printed=PRINTED[what])
                    if what == "print lines":
                        results.add("100,000 lines (ms)", name, took)
                    else:
                        results.add("200 MiB (MiB/s)", name, BLOCKS / took * 1000)


def machine(compiler):
    """What the figures were measured on."""
    def first(path, word):
        with contextlib.suppress(OSError, IndexError):
            for line in pathlib.Path(path).read_text().splitlines():
                if line.startswith(word):
                    return line.split(":", 1)[1].strip()
        return "unknown"

    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
                            cwd=pathlib.Path(__file__).parent).stdout.strip()  # fmt: skip
    versions = {name: importlib.metadata.version(name) for name in ("ipykernel", "jupyter_client", "pyzmq")}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit or "unknown",
        "processor": first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": first("/proc/meminfo", "MemTotal"),
        "system": platform.platform(),
        "load at the start": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "swift": compiler.version(),
        "python": platform.python_version() + "".join(f", {name} {v}" for name, v in versions.items()),
    }


def table(description, summary, names):
    columns = [OURS, PEER, "bare compiler"]
    lines = [f"- {key}: {value}" for key, value in description.items()]
    lines += ["", "Median (lower–upper quartile, number of measurements).", "",
              "| | " + " | ".join(columns) + f" | {OURS} ÷ {PEER} |", "|---|" + "--:|" * (len(columns) + 1)]  # fmt: skip
    for what, rows in summary.items():
        shown = []
        for name in columns:
            s = rows.get(name)
            shown.append("" if s is None else f"{s['median']:.1f}" + (
                f" ({s['quartiles'][0]:.1f}–{s['quartiles'][1]:.1f}, {s['n']})" if s["n"] > 1 else ""))  # fmt: skip
        ratio = f"{rows[OURS]['median'] / rows[PEER]['median']:.2f}" if OURS in rows and PEER in rows else ""
        lines.append(f"| {what} | " + " | ".join(shown) + f" | {ratio} |")
    return "\n".join(lines) + "\n"


def main():
    parts = ["starts", "cells", "growth", "completion", "output"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--full", action="store_true", help="go on to cell 2,000")
    parser.add_argument("--repeat", type=int, default=30, help="turns of the cells and completions")
    parser.add_argument("--starts", type=int, default=7, help="starts of each kernel")
    parser.add_argument("--without-peer", action="store_true", help="this kernel and the compiler alone")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("out/bench-kernel"))
    arguments = parser.parse_args()

    names = [OURS] if arguments.without_peer else [OURS, PEER]
    results, description = Results(), machine(Compiler())
    work = {
        "starts": lambda: starts(results, names, arguments.starts),
        "cells": lambda: cells(results, names, arguments.repeat),
        "growth": lambda: growth(results, names, 2000 if arguments.full else 200),
        "completion": lambda: completion(results, names, arguments.repeat),
        "output": lambda: output(results, names, 3),
    }
    for part in arguments.only:
        work[part]()
    text = table(description, results.summary(), names)
    print(text)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.with_suffix(".md").write_text(text)
    arguments.output.with_suffix(".json").write_text(
        json.dumps({"machine": description, "summary": results.summary(), "values": results.values}, indent=1))


if __name__ == "__main__":
    main()
