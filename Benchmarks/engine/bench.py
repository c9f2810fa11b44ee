"""The engine beside llama.cpp, transformers and PEFT on this machine: same model shapes, same threads, one run.

    python Benchmarks/engine/bench.py [--threads 2] [--rounds 5] [--only prefill,decode] [--types Q4_0] [--out FILE]

The first run makes what it needs under --place (default ~/.cache/icl-bench): an environment with the peers where the
project's own has none, llama.cpp built from its source archive for this processor, random models. Contestants take
turns in every round, so that what else the machine does hits all of them; medians, least and most are kept. A table of
ratios is printed, and all figures go to a JSON file with the machine's description and its measured limits
(roofline.c).

For each work the engine's precision is the one that README.md recommends for it: bf16 for many tokens where the
processor has AMX and int8 elsewhere, int8 for one token at a time, bf16 for tuning.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

import compare_work

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENGINE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", ROOT / ".build/release/icl-kernel"))
SOURCE = "llama_cpp_python==0.3.36"
PEERS = "import gguf, numpy, peft, torch, transformers"
# GCC keeps the roofline's sums in memory and finds a third of what the processor can do.
SHAPE_7B = dict(layers=32, hidden=4096, ff=11008, vocabulary=32000)
COMPILER = shutil.which("clang") or "cc"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, text=True, **options)


def output(*command, **options):
    return run(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout


class Workshop:
    """Peers and models, made when they are first asked for."""

    def __init__(self, place, threads):
        self.place = place
        self.threads = threads
        place.mkdir(parents=True, exist_ok=True)

    @property
    def python(self):
        """The project's own environment when it has the peers, else one made here from the Python package index."""
        for python in (ROOT / ".venv/bin/python", self.place / "venv/bin/python"):
            if python.exists() and subprocess.run([python, "-c", PEERS], capture_output=True).returncode == 0:
                return python
        run(sys.executable, "-m", "venv", self.place / "venv")
        python = self.place / "venv/bin/python"
        run(python, "-m", "pip", "install", "-q", "numpy", "gguf", "transformers", "peft", "torch")
        return python

    def tool(self, name):
        """CMake or Ninja of the system, or from the Python package index."""
        found = shutil.which(name)
        if not found:
            run(self.python, "-m", "venv", self.place / "tools")
            run(self.place / "tools/bin/python", "-m", "pip", "install", "-q", name)
            found = self.place / "tools/bin" / name
        return found

    @property
    def llama_source(self):
        archive = self.place / "archive"
        if not list(archive.glob("*/vendor/llama.cpp")):
            run(self.python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", archive, SOURCE)
            run("tar", "xzf", next(archive.glob("*.tar.gz")), "-C", archive)
        return next(archive.glob("*/vendor/llama.cpp"))

    def llama(self, tool):
        build = self.place / "llama-build"
        if not (build / "bin" / tool).exists():
            run(self.tool("cmake"), "-S", self.llama_source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                f"-DCMAKE_MAKE_PROGRAM={self.tool('ninja')}", "-DGGML_NATIVE=ON", "-DLLAMA_CURL=OFF",
                stdout=subprocess.DEVNULL)
            run(self.tool("cmake"), "--build", build, "--target", "llama-bench", "llama-quantize",
                stdout=subprocess.DEVNULL)
        return build / "bin" / tool

    def compiled(self, name, source, *flags):
        """A program of this folder, newer than its source."""
        program = self.place / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            run(COMPILER, "-O2", source, *flags, "-o", program)
        return program

    @property
    def llama_states(self):
        source, libraries = self.llama_source, self.llama("llama-bench").parent
        return self.compiled(
            "peer_llama", HERE / "peer_llama.c", "-I", source / "include", "-I", source / "ggml/include",
            "-L", libraries, "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{libraries}")

    def model(self, shape, kind):
        path = self.place / f"{shape}-{kind}.gguf"
        if not path.exists():
            if kind in ("Q4_0", "Q8_0", "F16"):
                run(self.python, HERE / "random_model.py", shape, kind, path)
            else:
                run(self.llama("llama-quantize"), "--pure", self.model(shape, "F16"), path, kind,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return path

    # One measurement each: seconds.

    def engine(self, work, model, precision, **options):
        extra = []
        for name, value in options.items():
            extra += [f"--{name}"] if value is True else [f"--{name}", value]
        text = output(ENGINE, "bench", work, "--model", model, "--threads", self.threads, "--precision", precision,
                      "--repeat", 1, "--json", *extra)
        report = json.loads(text)
        return report["seconds"]["median"], report["peakResidentBytes"]

    def llama_bench(self, model, prompt, new):
        text = output(self.llama("llama-bench"), "-m", model, "-t", self.threads, "-p", prompt, "-n", new, "-r", 1,
                      "-o", "json")
        return (prompt + new) / json.loads(text)[0]["avg_ts"], 0

    def llama_prefix(self, model, queries, prefix, query):
        report = json.loads(output(self.llama_states, model, self.threads, queries, prefix, query))
        return report["seconds"], report["peakResidentBytes"]

    def torch(self, work):
        report = json.loads(output(self.python, HERE / "peer_torch.py", work, "--threads", self.threads))
        return report["seconds"], report["peakResidentBytes"]


def works(shop, types, many):
    """Kind, name, the contestants (the engine first), how many times as fast as each to be, and where a goal says so in
    what part of its memory."""
    for kind in types:
        goal = 1.5 if kind in ("Q4_0", "Q8_0") else 1.2
        for tokens in (256, 1024):
            yield ("prefill", f"prefill {tokens}, 1.1B {kind}", {
                "engine": lambda kind=kind, tokens=tokens: shop.engine(
                    "prefill", shop.model("tiny", kind), many, tokens=tokens),
                "llama.cpp": lambda kind=kind, tokens=tokens: shop.llama_bench(shop.model("tiny", kind), tokens, 0),
            }, {"llama.cpp": goal})
        yield ("decode", f"decode 64, 1.1B {kind}", {
            "engine": lambda kind=kind: shop.engine("decode", shop.model("tiny", kind), "int8", tokens=64, prefix=1),
            "llama.cpp": lambda kind=kind: shop.llama_bench(shop.model("tiny", kind), 0, 64),
        }, {"llama.cpp": 1.2})
    yield ("states", "states, 50 × 32 tokens behind 256, 1.1B Q8_0", {
        "engine": lambda: shop.engine("states", shop.model("tiny", "Q8_0"), many, tokens=32, prefix=256, queries=50),
        "transformers, whole": lambda: shop.torch("states-whole"),
        "transformers, prefix cached": lambda: shop.torch("states-cached"),
        "llama.cpp, prefix cached": lambda: shop.llama_prefix(shop.model("tiny", "Q8_0"), 50, 256, 32),
    }, {"transformers, whole": 8, "transformers, prefix cached": 1.5, "llama.cpp, prefix cached": 1.5})
    # The paper's own files are Q4_0.
    for type in [type for type in ("Q4_0", "Q8_0") if type in types] or ["Q4_0"]:
        def tuned(**options):
            return shop.engine("tune", shop.model("tiny", type), "bf16", tokens=512, **options)

        yield ("tune", f"LoRA step, 512 tokens, 1.1B {type}", {
            "engine": tuned,
            "engine, recomputing": lambda: tuned(recompute=True),
            "PEFT bf16": lambda: shop.torch("tune"),
        }, {"PEFT bf16": 1.3}, {"PEFT bf16": 1 / 3})
    yield from compare_work.works(shop)


def against_limits(shop, many, rounds, report):
    """7B, Q4_0: the share of the limits, which are measured again before and after each measurement: on a virtual machine
    the memory's speed changes by half within minutes. A multiply-add is two operations."""
    model = shop.model("7b", "Q4_0")
    c = SHAPE_7B
    width = c["hidden"] * c["hidden"] * 4 + 3 * c["hidden"] * c["ff"]
    operations, weights = 2 * c["layers"] * width, (c["layers"] * width + c["hidden"] * c["vocabulary"]) * 18 / 32
    rows = []
    for name, goal, unit, limit, work, options, count in (
        ("prefill 256, 7B Q4_0", 0.45, operations, "int8Vector", "prefill", {"tokens": 256}, 256),
        ("decode 16, 7B Q4_0", 0.7, weights, "readBytes", "decode", {"tokens": 16, "prefix": 1}, 16),
    ):
        seconds, shares, before = [], [], limits(shop)[limit]
        for _ in range(rounds):
            seconds.append(shop.engine(work, model, many if work == "prefill" else "int8", **options)[0])
            after = limits(shop)[limit]
            shares.append(unit * count / seconds[-1] / ((before + after) / 2))
            before = after
        share = statistics.median(shares)
        report["works"].append({"work": name, "seconds": {"engine": seconds}, "sharesOfLimit": shares})
        rows.append((name, spread(seconds), "the limit", "", f"{share:.0%} ({min(shares):.0%} – {max(shares):.0%})",
                     f"{goal:.0%}", "", ""))
        print("  ".join(rows[-1]), flush=True)
    return rows


def limits(shop):
    program = shop.compiled("roofline", HERE / "roofline.c", "-march=native", "-pthread")
    return json.loads(output(program, shop.threads))


def spread(seconds):
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f} – {max(seconds):.3f})"


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    flags = next((line.split(":")[1].split() for line in open("/proc/cpuinfo") if line.startswith("flags")), [])
    wanted = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "features": [f for f in wanted if f in flags],
            "system": platform.platform(), "load": os.getloadavg()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="prefill,decode,states,tune,compare,7b")
    parser.add_argument("--types", default="Q4_0,Q8_0,Q4_K,Q6_K")
    parser.add_argument("--place", type=pathlib.Path, default=pathlib.Path.home() / ".cache/icl-bench")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/engine-bench.json"))
    arguments = parser.parse_args()
    shop = Workshop(arguments.place, arguments.threads)
    here = machine()
    many = "bf16" if "amx_bf16" in here["features"] else "int8"
    report = {"machine": here, "threads": arguments.threads, "limits": limits(shop), "precisionOfMany": many,
              "date": time.strftime("%Y-%m-%d %H:%M"), "works": []}
    print(json.dumps(report["machine"]), json.dumps(report["limits"]), sep="\n")
    rows = []
    chosen = arguments.only.split(",")
    for kind, name, contestants, goals, *parts in works(shop, arguments.types.split(","), many):
        if kind not in chosen:
            continue
        parts = parts[0] if parts else {}
        measured = {one: [] for one in contestants}
        memory = dict.fromkeys(contestants, 0)
        for _ in range(arguments.rounds):
            for one, measure in contestants.items():
                seconds, peak = measure()
                measured[one].append(seconds)
                memory[one] = max(memory[one], peak)
        medians = {one: statistics.median(seconds) for one, seconds in measured.items()}
        report["works"].append({"work": name, "seconds": measured, "peakResidentBytes": memory})
        ours = [one for one in contestants if one.startswith("engine")]
        for one in ours:
            for peer, goal in goals.items():
                part = memory[one] / memory[peer] if memory[one] and memory[peer] else None
                rows.append((
                    name + one.removeprefix("engine"), spread(measured[one]), peer, spread(measured[peer]),
                    f"{medians[peer] / medians[one]:.2f}×", f"{goal}×",
                    "" if part is None else f"{part:.0%}", f"{parts[peer]:.0%}" if peer in parts else ""))
                print("  ".join(rows[-1]), flush=True)
    if "7b" in chosen:
        rows += against_limits(shop, many, arguments.rounds, report)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n| work | engine, s | peer | its s | ratio | to reach | memory | to reach |\n" + "|---" * 8 + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(f"\nAll figures: {arguments.out}")


if __name__ == "__main__":
    main()
