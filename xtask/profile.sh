#!/usr/bin/env bash
# Where the time of a file of jobs goes, by kind of function: what results/profile-*.md was made with.
#   xtask/profile.sh LIKRA JOBS.json
# LIKRA is a release build of any commit that has `likra bench`. Needs Linux's perf.
set -euo pipefail
likra=$1 jobs=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Pages are kept, as `cargo xtask` has it.
MIMALLOC_PURGE_DELAY=-1 perf record -q -F 499 -o "$scratch/perf" \
    "$likra" bench "$jobs" --out "$scratch/out.json" --device cpu >"$scratch/log" 2>&1 || {
    cat "$scratch/log" >&2
    exit 1
}
read -r clock cpu < <(perf script -i "$scratch/perf" -F time 2>/dev/null | awk '
    { sub(":", ""); if (NR == 1) first = $1; last = $1 }
    END { printf "%.1f %.1f\n", last - first, NR / 499 }')
echo "$clock s on the clock, $cpu s of CPU, of them"
perf report -i "$scratch/perf" --no-children --stdio --sort symbol 2>/dev/null | awk -v cpu="$cpu" '
    !/^ +[0-9.]+% / { next }
    { share = $1; sub("%", "", share); kernel = $2 == "[k]" }
    /gemm_f32::microkernel/         { sum["matrix products"] += share; next }
    /gemm_common/                   { sum["packing for them"] += share; next }
    kernel && /clear_page/          { sum["clearing new pages"] += share; next }
    kernel                          { sum["the rest of Linux"] += share; next }
    /expf|xflowf|uflowf|errnof/     { sum["scalar exponentials"] += share; next }
    /pulp|likra_kernels/            { sum["likra-kernels"] += share; next }
    /burn_flex|macerator/           { sum["other operations of Burn"] += share; next }
    /mem(move|set|cpy)/             { sum["copies and fills"] += share; next }
                                    { sum["everything else"] += share }
    END { for (kind in sum) printf "%6.1f  %s\n", sum[kind] * cpu / 100, kind }' | sort -rn
