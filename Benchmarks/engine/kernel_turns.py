"""The bf16 products of several revisions of the kernels, in turns: what a change is worth on a machine that is never quiet.

    python Benchmarks/engine/kernel_turns.py HEAD~1 . [--tokens 512] [--type Q4_0] [--repetitions 40]

A revision is anything that git knows, or "." for the working tree; the table of kernels must be laid out as it is here.
One thread; see kernel_turns.c.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNELS = "Sources/CQuantKernels"
# As in Package.swift.
FLAGS = ["-O3", "-fno-math-errno", "-ffp-contract=off", "-std=gnu17"]
# Types whose blocks begin with their scale.
TYPES = {"Q4_0": 2, "Q8_0": 8}


def clang():
    return shutil.which("clang") or str(Path(shutil.which("swift")).resolve().parent / "clang")


def library(revision, place):
    """The kernels of one revision as a shared library."""
    if revision == ".":
        sources = ROOT / KERNELS
    else:
        archive = subprocess.run(["git", "archive", revision, KERNELS], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
        sources = place / KERNELS
    built = place / "kernels.so"
    subprocess.run(
        [clang(), *FLAGS, "-fPIC", "-shared", f"-I{sources}/include", *sources.glob("*.c"), "-lm", "-o", built],
        check=True,
    )  # fmt: skip
    return built


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("revisions", nargs="+")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--type", choices=TYPES, default="Q4_0")
    parser.add_argument("--repetitions", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        libraries = []
        for index, revision in enumerate(asked.revisions):
            place = Path(folder, str(index))
            place.mkdir()
            libraries.append(library(revision, place))
        program = Path(folder, "kernel_turns")
        include = f"-I{ROOT / KERNELS}/include"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([clang(), *FLAGS, include, source, "-ldl", "-o", program], check=True)
        told = subprocess.run(
            [program, str(asked.repetitions), str(TYPES[asked.type]), str(asked.tokens), *libraries],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout  # fmt: skip
    for revision, built in zip(asked.revisions, libraries):
        told = told.replace(f"{str(built):<24}", f"{revision:<24}")
    print("GFLOPS: upper quartile, median (ratio to the first)\n" + told, end="")


if __name__ == "__main__":
    main()
