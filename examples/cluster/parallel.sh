#!/bin/bash
# An experiment on all cores of this machine, or of several, with GNU parallel:
#
#   ./parallel.sh experiment.json kept 8
#   PARALLEL="--sshlogin host1,host2" ./parallel.sh experiment.json /shared/kept 32
#
# Run it again after an interruption: finished repetitions are not run twice.
set -euo pipefail
spec=${1:?the experiment, a JSON file}
kept=${2:?the folder that keeps repetitions}
shards=${3:-$(nproc)}
command=${ICL_KERNEL_COMMAND:-icl-kernel}
seq "$shards" | parallel --halt soon,fail=1 --line-buffer \
  ICL_THREADS=1 "$command" compare --spec "$spec" --keep "$kept" --shard "{}/$shards"
"$command" merge "$kept" --json > "$kept/result.json"
echo "the result: $kept/result.json"
