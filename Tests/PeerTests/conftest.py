"""The engine against llama.cpp: both read the same files, from outside.

llama.cpp is built once, from the source archive of llama-cpp-python, into ~/.cache/swift-icl-kernel/peers (or where
ICL_PEERS says): about a minute and a half on two cores, 75 MB to fetch. Needs cmake, ninja and a C++ compiler.
ICL_KERNEL_EXECUTABLE names the executable under test (default: the checkout's release build).
"""

import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXECUTABLE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", ROOT / ".build/release/icl-kernel"))
DATA = ROOT.parent / "shared/data"
CACHE = pathlib.Path(os.environ.get("ICL_PEERS", pathlib.Path.home() / ".cache/swift-icl-kernel/peers"))
REQUIREMENTS = [
    line for line in (HERE / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]


def build():
    """llama-peer, newer than its source."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = CACHE / ("llama_cpp_python-" + REQUIREMENTS[0].partition("==")[2])
        if not sources.exists():
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
            # pip asks the archive for its metadata, for which it needs the archive's own build system.
            subprocess.run([*pip, "install", REQUIREMENTS[1]], check=True)
            subprocess.run(
                [*pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", CACHE,
                 REQUIREMENTS[0]], check=True, env=os.environ | {"CMAKE_ARGS": ""})
            archive = next(CACHE.glob("llama_cpp_python-*.tar.gz"))
            with tarfile.open(archive) as tar:
                tar.extractall(CACHE, filter="data")
            archive.unlink()
        target = CACHE / "build"
        if not (target / "build.ninja").exists():
            subprocess.run(
                ["cmake", "-S", HERE / "llama_peer", "-B", target, "-G", "Ninja",
                 f"-DLLAMA_SOURCE={sources}/vendor/llama.cpp"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["nice", "ninja", "-C", target, "llama-peer"], check=True, stdout=subprocess.DEVNULL)
        return target / "llama-peer"


class LlamaCpp:
    """What llama.cpp says; see llama_peer.cpp."""

    def __init__(self, program):
        self.program = program

    def run(self, *arguments, input=None):
        done = subprocess.run(
            [self.program, *map(str, arguments)], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def tokenize(self, model, texts, *flags):
        lines = self.run("tokenize", model, *flags, input=b"".join(t.encode() + b"\0" for t in texts)).split("\n")
        assert len(lines) == len(texts) + 1
        return [[int(i) for i in line.split()] for line in lines[:-1]]

    def quantize(self, source, target, type, pure=True):
        self.run("quantize", source, target, type, *(["--pure"] if pure else []))
        return target

    def generate(self, model, count, ids):
        """Greedy ids, and at each step the best logit, the second best and its id."""
        first, *rest = self.run("generate", model, count, *ids).splitlines()
        margins = [(float(a), float(b), int(c)) for a, b, c in (line.split() for line in rest)]
        return [int(i) for i in first.split()], margins

    def states(self, model, ids, folder):
        """Residual streams after each block, the final norm and the logits, each [tokens, width]."""
        out = folder / "states.f32"
        names = [line.split() for line in self.run("states", model, out, *ids).splitlines()]
        values, result, at = np.fromfile(out, "<f4"), {}, 0
        for name, width in names:
            count = len(ids) * int(width)
            result[name] = values[at : at + count].reshape(len(ids), int(width))
            at += count
        assert at == len(values)
        return result


class Ours:
    """What the engine's own command says."""

    def run(self, *arguments):
        done = subprocess.run([EXECUTABLE, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))

    def states(self, model, ids):
        found = self.json(
            "states", "--model", model, "--ids", ",".join(map(str, ids)), "--positions", "all", "--logits", "all")
        rows = {name: np.array(values, np.float32) for name, values in found["layers"].items()}
        return rows | {"logits": np.array(found["logits"]["values"], np.float32)}


@pytest.fixture(scope="session")
def llama_cpp():
    return LlamaCpp(build())


@pytest.fixture(scope="session")
def ours():
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.exit(f"{EXECUTABLE} is not there; build it first: make build", returncode=2)
    return Ours()


@pytest.fixture(scope="session")
def stories():
    path = DATA / "stories260K/stories260K.gguf"
    if not path.exists():
        pytest.skip("../shared/data (reference data) is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def vocabularies():
    if not (DATA / "vocab").exists():
        pytest.skip("../shared/data (reference data) is not beside this checkout")
    return DATA / "vocab"
