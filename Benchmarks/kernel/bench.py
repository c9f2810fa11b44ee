#!/usr/bin/env python3
"""How long a user waits: this kernel beside ipykernel and beside the bare compiler calls, in one run.

    make bench            (or: .venv/bin/python Benchmarks/kernel/bench.py --repeat 30 --json out/bench-kernel.json)

Each figure is the median of `--repeat` measurements with their minimum and maximum, the kernels taking turns, so
that a slow moment of the machine falls on both. Times are wall-clock milliseconds seen by a `jupyter_client`.

- start to idle: from launching the process to `idle` after its first kernel_info_request
- first cell:    the first execute_request after that, to `idle`
- 1+1:           execute_request to `idle`, with the value's arrival in between
- compiler:      the same cell's text through the toolchain's own `swift-frontend` and `ld.lld`, nothing else;
                 the difference to "1+1" is what this kernel adds
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import tempfile
import time

from jupyter_client.manager import KernelManager

FOUNDATION_CELL = """import Foundation
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
PYTHON_CELL = """import math
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


class Session:
    """One kernel, and the time from asking to `idle`."""

    def __init__(self, name):
        began = time.perf_counter()
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.start = 1000 * (time.perf_counter() - began)

    def run(self, code):
        began = time.perf_counter()
        asked = self.client.execute(code)
        failed = None
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "error":
                failed = message["content"]["evalue"]
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                took = 1000 * (time.perf_counter() - began)
                self.client.get_shell_msg(timeout=10)
                if failed:
                    raise SystemExit(f"the cell failed: {failed}")
                return took

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def compiler_share(repeat):
    """The toolchain's own time for a cell of one line: frontend and linker, as separate processes."""
    frontend = shutil.which("swift-frontend") or "/opt/swift/usr/bin/swift-frontend"
    tools = pathlib.Path(os.path.realpath(frontend)).parent
    linker, runtime = tools / "ld.lld", tools.parent / "lib/swift/linux"
    times = []
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "main.swift").write_text("let value = 1+1\nprint(value)\n")
        for _ in range(repeat):
            began = time.perf_counter()
            subprocess.run(
                [frontend, "-c", "-primary-file", "main.swift", "-module-name", "Cell1", "-o", "cell.o",
                 "-enable-testing", "-disable-access-control", "-swift-version", "5",
                 "-emit-module-path", "Cell1.swiftmodule", "-entry-point-function-name", "cell1_main"],
                cwd=folder, check=True)
            subprocess.run(
                [linker, "-shared", "cell.o", "-o", "libCell1.so", runtime / "x86_64/swiftrt.o", "-L", runtime,
                 "-lswiftCore", "-lswiftSwiftOnoneSupport"], cwd=folder, check=True)
            times.append(1000 * (time.perf_counter() - began))
    return times


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()

    kernels = {"swift-icl": ("1+1", FOUNDATION_CELL)}
    if importlib.util.find_spec("ipykernel"):
        kernels["python3"] = ("1+1", PYTHON_CELL)
    times = {name: {k: [] for k in ("start to idle", "first cell", "1+1", "10-line cell")} for name in kernels}

    for _ in range(arguments.starts):
        for name, (trivial, _) in kernels.items():
            session = Session(name)
            times[name]["start to idle"].append(session.start)
            times[name]["first cell"].append(session.run(trivial))
            session.close()
    sessions = {name: Session(name) for name in kernels}
    for session in sessions.values():
        session.run("1+1")
    for _ in range(arguments.repeat):
        for name, (trivial, longer) in kernels.items():
            times[name]["1+1"].append(sessions[name].run(trivial))
            times[name]["10-line cell"].append(sessions[name].run(longer))
    for session in sessions.values():
        session.close()
    times["compiler alone"] = {"1+1": compiler_share(arguments.repeat)}

    table = {name: {key: summary(values) for key, values in rows.items() if values} for name, rows in times.items()}
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; milliseconds: median (min–max)\n")
    for name, rows in table.items():
        for key, s in rows.items():
            print(f"{name:16} {key:14} {s['median']:8.1f}  ({s['min']:.1f}–{s['max']:.1f}, n={s['n']})")
    added = table["swift-icl"]["1+1"]["median"] - table["compiler alone"]["1+1"]["median"]
    print(f"\nadded by the kernel to the bare compile and link of 1+1: {added:.1f} ms")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "milliseconds": table}, indent=1))


if __name__ == "__main__":
    main()
