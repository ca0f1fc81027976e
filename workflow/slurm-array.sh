#!/bin/bash
# A run on Slurm with no engine in between: the base, then all heads as one array, then the report.
#
#   workflow/slurm-array.sh RUN smollm2-arc --model M --data ARC --unrelated H --device cuda
#
# RUN is the run's folder, on a disk that all machines see. $LIKRA is the program, $SBATCH more flags for sbatch.
set -euo pipefail

likra=${LIKRA:-likra} out=${1:?the folder of the run}
shift
$likra plan "$@" --out "$out"

# name, needs, gpus, memory, minutes of each job
mapfile -t jobs < <($likra plan "$@" --out "$out" --json | python3 -c '
import json, sys
for job in json.load(sys.stdin)["jobs"]:
    print(job["name"], job["gpus"], job["memory_mib"], job["minutes"])')

if [[ ${jobs[0]} == */* ]]; then
  echo "$0: a study; take workflow/Snakefile, or start this for each of its experiments" >&2
  exit 2
fi
quoted=$(printf %q "$out")

# submit AFTER NAME FLAGS...: one job, or an array of some; prints its number. The limits are those of the largest.
submit() {
  local after=$1 name=$2 gpus=$3 memory=$4 minutes=$5 work=$6
  shift 6
  sbatch --parsable --requeue --open-mode=append --kill-on-invalid-dep=yes ${SBATCH:-} "$@" \
    --job-name="likra-$name" --output="$out/jobs/%x-%j.txt" ${after:+--dependency=afterok:$after} \
    --gpus="$gpus" --mem="$memory" --time="$minutes" --wrap "$work"
}

# 75: another process, left by an earlier submission, still does the job.
step="until $likra step \$job --out $quoted; do [ \$? = 75 ] || exit 1; sleep 20; done"
mkdir -p "$out/jobs"
heads=() gpus=0 memory=0 minutes=0
for job in "${jobs[@]}"; do
  read -r name own_gpus own_memory own_minutes <<< "$job"
  case $name in
    base) base=$(submit "" base "$own_gpus" "$own_memory" "$own_minutes" "job=base; $step") ;;
    report) report=$own_memory ;;
    *)
      heads+=("$name") gpus=$own_gpus
      memory=$((own_memory > memory ? own_memory : memory))
      minutes=$((own_minutes > minutes ? own_minutes : minutes)) ;;
  esac
done
# --wrap is run by sh, which has no arrays.
array=$(submit "$base" heads "$gpus" "$memory" "$minutes" \
  "set -- ${heads[*]}; shift \$SLURM_ARRAY_TASK_ID; job=\$1; $step" --array=0-$((${#heads[@]} - 1)))
submit "$array" report 0 "$report" 5 "job=report; $step"
