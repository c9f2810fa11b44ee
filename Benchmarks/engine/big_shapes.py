"""Whether a large model fits: load time, prefill, capture and a LoRA step, with the memory that each takes.

    python Benchmarks/engine/big_shapes.py 7b            makes the file, measures, deletes it
    python Benchmarks/engine/big_shapes.py 13b --no-tune --keep /tmp/13b.gguf

Memory beyond the mapping is the largest RssAnon of the process, asked every 20 ms: pages of the weight file belong to
the page cache, and are not counted. The limit of 3 GB is checked, and that a file in the page cache is usable within a
second.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from random_model import SHAPES, write

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXECUTABLE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", ROOT / ".build/release/icl-kernel"))
LIMIT = 3e9


def field(pid, name):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def measure(what, *arguments, fails=False):
    """Runs the command; prints wall and CPU time and the most anonymous memory."""
    peak = {"anonymous": 0, "all": 0}
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([EXECUTABLE, *map(str, arguments)], stdout=out, stderr=errors)

        ended = threading.Event()

        def watch():
            # The status is asked for below, with the CPU time that only its first asker gets.
            while not ended.is_set():
                peak["anonymous"] = max(peak["anonymous"], field(process.pid, "RssAnon"))
                peak["all"] = max(peak["all"], field(process.pid, "VmHWM"))
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watcher.join()
        wall = time.monotonic() - start
        out.seek(0)
        errors.seek(0)
        output, said = out.read().decode(), errors.read().decode()
    if (process.returncode != 0) != fails:
        sys.exit(f"{what} ended with {process.returncode}:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    print(
        f"{what:34} {wall:8.2f} s   CPU {cpu:8.2f} s   beyond the mapping "
        f"{peak['anonymous'] / 1e9:5.2f} GB   (with the pages of the file {peak['all'] / 1e9:5.2f} GB)", flush=True)
    return output, wall, cpu, peak["anonymous"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--type", default="Q4_0")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--no-tune", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, help="use this file, made when it isn't there, and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.keep or pathlib.Path(folder) / "model.gguf"
        if not model.exists():
            start = time.monotonic()
            write(model, arguments.shape, arguments.type)
            print(f"written in {time.monotonic() - start:.0f} s")
        print(f"{model}: {model.stat().st_size / 1e9:.2f} GB, {os.cpu_count()} cores")
        with open(model, "rb") as file:
            while file.read(1 << 24):
                pass
        run(model, arguments, pathlib.Path(folder))


def run(model, arguments, folder):
    ids = ",".join(str(1 + 37 * i % 30000) for i in range(arguments.tokens))
    peaks = []
    # An id that no vocabulary has: the engine loads the model, looks at the prompt and refuses it.
    _, load, cpu, _ = measure("load (file in the page cache)", "states", "--model", model, "--ids", 1 << 40, fails=True)
    # Of the CPU's time, so that what else the machine does isn't counted.
    if cpu > 1:
        sys.exit("more than a second to load")
    output, prefill, _, peak = measure(
        f"prefill of {arguments.tokens}, every layer kept", "states", "--model", model, "--ids", ids, "--json")
    peaks.append(peak)
    found = json.loads(output)["layers"]
    assert len(found) == SHAPES[arguments.shape]["layers"] + 2
    for name, values in found.items():
        assert all(isinstance(x, (int, float)) and abs(x) < 1e4 for x in values[0]), f"layer {name} is not finite"
    print(f"  {arguments.tokens / (prefill - load):.1f} tokens a second")
    if not arguments.no_tune:
        data = folder / "examples.jsonl"
        # Every letter is a byte token: BOS, the space in front, and these.
        data.write_text(json.dumps({"text": "abcdefgh" * (arguments.tokens // 8)}) + "\n")
        output, _, _, peak = measure(
            "one LoRA step (q, v, rank 8)", "tune", "--model", model, "--data", data, "--steps", 1, "--rank", 8,
            "--projections", "q,v", "--json")
        peaks.append(peak)
        losses = json.loads(output)["losses"]
        assert all(isinstance(x, (int, float)) and 0 < x < 100 for x in losses), losses
        print(f"  loss {losses}")
    print(f"most memory beyond the mapping: {max(peaks) / 1e9:.2f} GB")
    if max(peaks) > LIMIT:
        sys.exit(f"more than {LIMIT / 1e9} GB")


if __name__ == "__main__":
    main()
