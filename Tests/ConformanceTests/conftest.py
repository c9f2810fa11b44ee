"""The protocol from outside: real kernels, started through Jupyter's own client, asked over ZeroMQ.

Modules named test_protocol_* hold for any kernel; they run against ours and against ipykernel, which shows that the suite
itself is right. All others ask for what is particular to this kernel.

    pytest Tests/ConformanceTests                                       both
    pytest Tests/ConformanceTests --dialects swift                      ours alone
    pytest Tests/ConformanceTests --dialects ipykernel --kernel-name xpython     another kernel for Python

Environment: ICL_KERNEL_EXECUTABLE names the executable under test (default: the checkout's release build).
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

from deviations import DEVIATIONS  # noqa: E402
from dialects import DIALECTS, SWIFT  # noqa: E402
from harness import Kernel  # noqa: E402

EXECUTABLE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", HERE.parents[1] / ".build/release/icl-kernel"))
KERNEL_NAME = SWIFT.kernel
scratch = None


def pytest_addoption(parser):
    parser.addoption("--dialects", default=",".join(DIALECTS), help="whose cells to send: " + ", ".join(DIALECTS))
    parser.addoption("--kernel-name", help="a kernelspec to test instead of the dialect's own")


def pytest_configure(config):
    global scratch
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="icl-conformance-"))
    os.environ["ICL_HISTORY"] = str(scratch / "history.sqlite")
    os.environ["IPYTHONDIR"] = str(scratch / "ipython")
    unknown = set(config.getoption("--dialects").split(",")) - set(DIALECTS)
    if unknown:
        pytest.exit(f"no dialect is called {unknown.pop()}; there are {', '.join(DIALECTS)}", returncode=2)
    if config.getoption("--kernel-name") or SWIFT.name not in config.getoption("--dialects"):
        return
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.exit(f"{EXECUTABLE} is not there; build it first: make build", returncode=2)
    install = [EXECUTABLE, "install", "--prefix", scratch, "--name", KERNEL_NAME]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    os.environ["JUPYTER_PATH"] = str(scratch / "share/jupyter")


def pytest_unconfigure(config):
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


def is_protocol(module):
    return module.__name__.startswith("test_protocol_")


def pytest_generate_tests(metafunc):
    """Tests of the protocol run in every dialect, all others in ours."""
    if "dialect" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--dialects").split(",")
    if not is_protocol(metafunc.module):
        chosen = [name for name in chosen if name == SWIFT.name]
    metafunc.parametrize("dialect", chosen, indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    for item in items:
        callspec = getattr(item, "callspec", None)
        listed = DEVIATIONS.get(callspec.params.get("dialect"), {}) if callspec else {}
        for name in (item.originalname, item.name):
            if name in listed:
                item.add_marker(pytest.mark.xfail(reason=listed[name], strict=True))


@pytest.fixture(scope="session")
def dialect(request):
    return DIALECTS[request.param]


@pytest.fixture(scope="session")
def executable():
    return EXECUTABLE


@pytest.fixture(scope="session")
def kernel_name(request, dialect):
    return request.config.getoption("--kernel-name") or dialect.kernel


@pytest.fixture(scope="module")
def kernel(kernel_name):
    """One kernel for the tests of a file."""
    with Kernel(kernel_name) as kernel:
        yield kernel


@pytest.fixture
def own_kernel(kernel_name):
    """A kernel for one test, which may end it."""
    with Kernel(kernel_name) as kernel:
        yield kernel


@pytest.fixture
def start_kernel(kernel_name):
    """Starts further kernels; all are ended with the test."""
    started = []

    def start(name=kernel_name, **options):
        kernel = Kernel(name, **options)
        started.append(kernel)
        return kernel.__enter__()

    yield start
    for kernel in started:
        kernel.__exit__(None, None, None)
