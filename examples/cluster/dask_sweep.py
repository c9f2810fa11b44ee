#!/usr/bin/env python3
"""An experiment on a Dask cluster that may lose workers.

  dask_sweep.py experiment.json kept --shards 8                       a cluster on this machine
  dask_sweep.py experiment.json kept --scheduler tcp://head:8786      one that runs elsewhere

Each shard is one task. When its worker dies, Dask runs the task again elsewhere, and it goes on from the repetitions that
were kept. The merged result has the same bits as that of a single run.
"""

import argparse
import os
import pathlib
import subprocess

from dask.distributed import Client, LocalCluster


def run_shard(command: str, spec: str, kept: str, number: int, count: int) -> str:
    """One shard, on whatever worker this is. The process ends with its worker."""
    process = subprocess.run(
        [command, "compare", "--spec", spec, "--keep", kept, "--shard", f"{number}/{count}"],
        capture_output=True,
        text=True,
        env={**os.environ, "ICL_THREADS": os.environ.get("ICL_THREADS", "1")},
    )
    if process.returncode:
        raise RuntimeError(process.stderr.strip())
    return process.stdout.strip()


def run(client: Client, command: str, spec: str, kept: str, shards: int) -> str:
    """All shards, then the merged result as JSON."""
    futures = [
        # `pure=False`: a task is work to be done, not a value that an earlier run may stand for.
        client.submit(run_shard, command, spec, kept, number + 1, shards, retries=3, pure=False)
        for number in range(shards)
    ]
    for line in client.gather(futures):
        print(line)
    return subprocess.run([command, "merge", kept, "--json"], check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=pathlib.Path)
    parser.add_argument("kept", type=pathlib.Path)
    parser.add_argument("--shards", type=int, default=os.cpu_count())
    parser.add_argument("--scheduler", help="address of a running cluster; without it one is started here")
    parser.add_argument("--command", default=os.environ.get("ICL_KERNEL_COMMAND", "icl-kernel"))
    arguments = parser.parse_args()
    cluster = None if arguments.scheduler else LocalCluster(n_workers=2, threads_per_worker=1)
    with Client(arguments.scheduler or cluster) as client:
        result = run(
            client, arguments.command, str(arguments.spec.resolve()), str(arguments.kept.resolve()), arguments.shards
        )
    path = arguments.kept / "result.json"
    path.write_text(result)
    print(f"the result: {path}")


if __name__ == "__main__":
    main()
