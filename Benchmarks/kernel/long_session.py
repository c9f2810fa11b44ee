#!/usr/bin/env python3
"""What a long session costs: compile time, memory, descriptors and disk at cell 10, 200, 1000, 2000.

    .venv/bin/python Benchmarks/kernel/long_session.py --cells 2000 --json out/long-session.json

Cells are of the kinds people write: values, functions, types, an extension, a loop that prints, uses of what the last
twenty cells declared. One cell in ten is an earlier one run again. Around each of the marks, the same small cell is
timed twenty times; everything else is read from /proc.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from jupyter_client.manager import KernelManager

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cell(i):
    back = i - 7
    known = f"value{back - back % 8}" if back >= 8 else "1"
    return [
        f"let value{i} = {i}",
        f"func f{i}(_ x: Int) -> Int {{ x + {known} }}\nf{i}(1)",
        f"struct S{i} {{ var a = {i}; var b: [Int] = [1, 2, 3] }}\nlet s{i} = S{i}()",
        f"import Foundation\nlet text{i} = String(format: \"%05d\", {i})\nprint(text{i})",
        f"extension Int {{ var plus{i}: Int {{ self + {i} }} }}\n5.plus{i}",
        f"var total{i} = 0\nfor k in 0..<100 {{ total{i} += k }}\ntotal{i}",
        f"let list{i} = (0..<10).map {{ $0 * {i} }}\nlist{i}.reduce(0, +)",
        f"final class C{i} {{ var n = {i} }}\nlet c{i} = C{i}()\nc{i}.n",
    ][i % 8]


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(c) for c in (task / "children").read_text().split()]
    return found


def host_of(pid):
    """Behind the guard that the kernel has started."""
    for guard in children(pid):
        for child in children(guard):
            if os.readlink(f"/proc/{child}/exe").endswith("icl-cell-host"):
                return child


def process(pid):
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "resident_mb": int(fields["VmRSS"].split()[0]) / 1024,
        "threads": int(fields["Threads"]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "mappings": len(pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()),
    }


def folder_size(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {"folder_mb": sum(p.stat().st_size for p in files) / 1e6, "files": len(files)}


class Session:
    def __init__(self, executable):
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="icl-session-bench-"))
        subprocess.run(
            [executable, "install", "--prefix", scratch, "--name", "swift-session"], check=True, stdout=subprocess.DEVNULL
        )
        os.environ["JUPYTER_PATH"] = str(scratch / "share/jupyter")
        self.manager = KernelManager(kernel_name="swift-session")
        (scratch / "tmp").mkdir()
        environment = os.environ | {"TMPDIR": str(scratch / "tmp"), "ICL_HISTORY": str(scratch / "history.sqlite")}
        self.manager.start_kernel(env=environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.folder = scratch / "tmp"
        self.pid = self.manager.provisioner.process.pid

    def run(self, code, identifier=None):
        """Milliseconds to `idle`, and the error's text."""
        began = time.perf_counter()
        message = self.client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
             "stop_on_error": True},
            metadata={"cellId": identifier} if identifier else None,
        )  # fmt: skip
        self.client.shell_channel.send(message)
        asked, error = message["header"]["msg_id"], None
        while True:
            got = self.client.get_iopub_msg(timeout=300)
            if got["parent_header"].get("msg_id") != asked:
                continue
            if got["msg_type"] == "error":
                error = got["content"]["ename"] + ": " + got["content"]["evalue"]
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                break
        self.client.get_shell_msg(timeout=60)
        return 1000 * (time.perf_counter() - began), error

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        # The guard removes thousands of files behind the kernel's end.
        deadline = time.monotonic() + 10
        while any(p.name.startswith("icl-session") for p in self.folder.iterdir()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--executable", default=ROOT / ".build/release/icl-kernel")
    parser.add_argument("--json")
    options = parser.parse_args()
    session = Session(options.executable)
    rows, errors = [], []
    marks = [m for m in (10, 200, 500, 1000, 2000) if m <= options.cells]
    for i in range(1, options.cells + 1):
        number = i - 8 if i % 10 == 9 else i
        _, error = session.run(cell(number), f"cell-{number}")
        if error:
            errors.append((i, error))
        if i in marks:
            times = [session.run("let probe = value8 + 1\nprobe", "probe")[0] for _ in range(20)]
            kernel, host = process(session.pid), process(host_of(session.pid))
            row = {
                "cell": i, "median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times),
                "load": os.getloadavg()[0], **{f"kernel_{k}": v for k, v in kernel.items()},
                **{f"host_{k}": v for k, v in host.items()}, **folder_size(session.folder),
            }  # fmt: skip
            rows.append(row)
            print("  ".join(f"{k} {v:.0f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    gone = session.close()
    print(f"errors: {len(errors)} {errors[:3]}; session folder removed: {gone}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"rows": rows, "errors": errors}, indent=1))


if __name__ == "__main__":
    main()
