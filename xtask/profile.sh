#!/usr/bin/env bash
# Where the time of a file of jobs goes, by kind of function: what results/profile-*.md was made with.
#   xtask/profile.sh LIKRA JOBS.json
# LIKRA is a release build of any commit that has `likra bench`. Needs Linux's perf.
set -euo pipefail
likra=$1 jobs=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

perf record -q -F 499 -o "$scratch/perf" "$likra" bench "$jobs" --out "$scratch/out.json" --device cpu >/dev/null 2>&1
perf script -i "$scratch/perf" -F time 2>/dev/null | awk '
    { sub(":", ""); if (NR == 1) first = $1; last = $1 }
    END { printf "%.1f s, %.1f s of CPU\n", last - first, NR / 499 }'
perf report -i "$scratch/perf" --no-children --stdio --sort symbol 2>/dev/null | awk '
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
    END { for (kind in sum) printf "%5.1f%%  %s\n", sum[kind], kind }' | sort -rn
