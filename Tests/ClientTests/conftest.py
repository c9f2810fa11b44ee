"""The programs that people run notebooks with, against the real kernel.

The kernel is installed into a temporary prefix, as `make kernelspec` does for `.venv`. Environment:
ICL_KERNEL_EXECUTABLE names the executable under test (default: the checkout's release build).
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import nbformat
import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "Scripts")]

EXECUTABLE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", ROOT / ".build/release/icl-kernel"))
KERNEL = "swift-clients"
scratch = None


def pytest_configure(config):
    global scratch
    if not os.access(EXECUTABLE, os.X_OK):
        pytest.exit(f"{EXECUTABLE} is not there; build it first: make build", returncode=2)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="icl-clients-"))
    install = [EXECUTABLE, "install", "--prefix", scratch, "--name", KERNEL, "--display-name", "Swift (clients)"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    os.environ["JUPYTER_PATH"] = str(scratch / "share/jupyter")
    # Nothing of the person who runs the tests: neither their settings nor their history.
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        os.environ[variable] = str(scratch / variable.lower())
        os.makedirs(os.environ[variable], exist_ok=True)
    os.environ["ICL_HISTORY"] = str(scratch / "history.sqlite")


def pytest_unconfigure(config):
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def pictures():
    """Where screenshots are kept to be looked at."""
    folder = ROOT / "out/clients"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def write(tmp_path):
    """Writes a notebook of these cells; a cell may be text or `(text, tag)`. Returns its path."""

    def write(*cells, name="in.ipynb"):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": KERNEL, "display_name": "Swift (clients)", "language": "swift"}
        # As JupyterLab saves it; nbconvert chooses the colours before it executes.
        notebook.metadata["language_info"] = {"name": "swift", "pygments_lexer": "swift"}
        for cell in cells:
            text, *tags = cell if isinstance(cell, tuple) else (cell,)
            notebook.cells.append(nbformat.v4.new_code_cell(text, metadata={"tags": tags} if tags else {}))
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return write


@pytest.fixture
def program():
    """Runs a Python program of the environment to its end: `program("jupyter", "nbconvert", …)`."""

    def run(module, *arguments, timeout=240, **options):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)

    return run


def printed(cell):
    """What a cell of an executed notebook wrote to stdout."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the browser shows when a test fails is kept beside the other pictures."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.failed and page:
        folder = ROOT / "out/clients"
        folder.mkdir(parents=True, exist_ok=True)
        page.picture(folder / f"failed-{item.name}.png")
    return report
