"""The schedulers' examples, run for real: what they merge must have the bits of a single run."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "examples" / "cluster"
KERNEL = os.environ.get("ICL_KERNEL_EXECUTABLE", str(ROOT / ".build" / "release" / "icl-kernel"))
SPEC = CLUSTER / "experiment.json"


@pytest.fixture(scope="module")
def single() -> str:
    return subprocess.run(
        [KERNEL, "compare", "--spec", SPEC, "--json"], check=True, capture_output=True, text=True
    ).stdout


def kept_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("repetition-*.json"))


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bits(single, tmp_path):
    distributed = pytest.importorskip("dask.distributed", reason="Scripts/setup python test installs dask")
    sys.path.insert(0, str(CLUSTER))
    import dask_sweep

    kept = tmp_path / "kept"
    killed = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", local_directory=str(tmp_path / "dask")
    ) as cluster, distributed.Client(cluster) as client:

        def kill_a_worker():
            """As soon as the first repetition is kept, while others are being computed."""
            while not kept_files(kept):
                time.sleep(0.01)
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        killer = threading.Thread(target=kill_a_worker, daemon=True)
        killer.start()
        result = dask_sweep.run(client, KERNEL, str(SPEC), str(kept), 4)
        killer.join(60)
    assert killed, "no worker was killed, so nothing was shown"
    assert result == single


def test_a_slurm_array_gives_the_same_bits_even_when_a_task_is_killed_and_requeued(single, tmp_path):
    kept = tmp_path / "kept"

    def task(number):
        environment = {
            **os.environ, "ICL_KERNEL_COMMAND": KERNEL, "SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_MAX": "3",
            "SLURM_CPUS_PER_TASK": "1",
        }
        return subprocess.Popen([CLUSTER / "slurm.sh", SPEC, kept], env=environment, stdout=subprocess.DEVNULL)

    first = task(1)
    while not kept_files(kept):
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    assert len(kept_files(kept)) < 16
    for number in (3, 1, 2):
        assert task(number).wait() == 0
    merged = subprocess.run([KERNEL, "merge", kept, "--json"], check=True, capture_output=True, text=True).stdout
    assert merged == single


@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is not installed (apt-get install parallel)")
def test_gnu_parallel_gives_the_same_bits(single, tmp_path):
    kept = tmp_path / "kept"
    subprocess.run(
        [CLUSTER / "parallel.sh", SPEC, kept, "3"], check=True, env={**os.environ, "ICL_KERNEL_COMMAND": KERNEL}
    )
    assert (kept / "result.json").read_text() == single
