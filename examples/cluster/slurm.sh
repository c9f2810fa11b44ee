#!/bin/bash
# An experiment as a Slurm array job:
#
#   sbatch --array=1-8 slurm.sh experiment.json kept
#   sbatch --dependency=afterok:JOBID --wrap "icl-kernel merge kept --json > result.json"
#
# A task that was killed or preempted may simply be submitted again: it goes on from what it kept.
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=02:00:00
#SBATCH --requeue
set -euo pipefail
spec=${1:?the experiment, a JSON file}
kept=${2:?the folder that keeps repetitions}
export ICL_THREADS=${SLURM_CPUS_PER_TASK:-4}
exec "${ICL_KERNEL_COMMAND:-icl-kernel}" compare --spec "$spec" --keep "$kept" \
  --shard "${SLURM_ARRAY_TASK_ID:?run it as an array job}/${SLURM_ARRAY_TASK_MAX:?}"
