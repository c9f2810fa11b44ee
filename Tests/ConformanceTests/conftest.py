"""The protocol from outside: real kernels, started through a kernelspec of this suite's own, asked over ZeroMQ.

Environment: ICL_KERNEL_EXECUTABLE names the executable under test (default: the checkout's release build);
ICL_KERNEL_NAME the kernel to test (default swift-icl, which is then installed into a temporary folder).
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import Kernel  # noqa: E402

EXECUTABLE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", HERE.parents[1] / ".build/release/icl-kernel"))
KERNEL_NAME = os.environ.get("ICL_KERNEL_NAME", "swift-icl")
scratch = None


def pytest_configure(config):
    global scratch
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="icl-conformance-"))
    os.environ["ICL_HISTORY"] = str(scratch / "history.sqlite")
    if "ICL_KERNEL_NAME" in os.environ:
        return
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.exit(f"{EXECUTABLE} is not there; build it first: make build", returncode=2)
    install = [EXECUTABLE, "install", "--prefix", scratch, "--name", KERNEL_NAME]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    os.environ["JUPYTER_PATH"] = str(scratch / "share/jupyter")


def pytest_unconfigure(config):
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def executable():
    return EXECUTABLE


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the tests of a file."""
    with Kernel(KERNEL_NAME) as kernel:
        yield kernel


@pytest.fixture
def own_kernel():
    """A kernel for one test, which may end it."""
    with Kernel(KERNEL_NAME) as kernel:
        yield kernel


@pytest.fixture
def start_kernel():
    """Starts further kernels; all are ended with the test."""
    started = []

    def start(**options):
        kernel = Kernel(KERNEL_NAME, **options)
        started.append(kernel)
        return kernel.__enter__()

    yield start
    for kernel in started:
        kernel.__exit__(None, None, None)
