#!/usr/bin/env bash
# Likra on a borrowed GPU machine, stage by stage. README.md beside this says how it gets there.
#
#   xtask/gpu/check.sh pack LIKRA XTASK TOKENIZER ARC    here: fills .gpu/ with what travels
#   xtask/gpu/check.sh STAGE...                          there: correct, bench-small, bench-7b, bench-3b, or all
#
# OUT (target/gpu): for each stage a page and a log. PYTHON (python3): has torch, transformers, peft. WORK (target/gpu-work):
# what is made on the way. MINUTES (9.5): what one call may take. LIKRA_DEVICE (cuda): cpu rehearses, with small models.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 2
PACK=$ROOT/.gpu
OUT=${OUT:-$ROOT/target/gpu}
WORK=${WORK:-$ROOT/target/gpu-work}
PYTHON=${PYTHON:-python3}
DEVICE=${LIKRA_DEVICE:-cuda}
MINUTES=${MINUTES:-9.5}
STAGE_SECONDS=480
PACK_MIB=60
ALL=(correct bench-small bench-7b bench-3b)
failed=0

fail() {
    echo "check: $*" >&2
    exit 2
}

# Here: what the other machine lacks.

pack() {
    [ $# -eq 4 ] || fail "pack: $# arguments; expected LIKRA XTASK TOKENIZER ARC"
    local likra=$1 xtask=$2 tokenizer=$3 arc=$4 file exclude
    mkdir -p "$PACK/tokenizer" "$PACK/arc"
    exclude=$(git rev-parse --git-path info/exclude)
    mkdir -p "$(dirname "$exclude")"
    grep -qx '/.gpu/' "$exclude" 2>/dev/null || echo '/.gpu/' >>"$exclude"
    xz -T2 -6 --stdout "$likra" >"$PACK/likra.xz" || fail "pack: $likra could not be packed"
    cp "$xtask" "$PACK/xtask" || fail "pack: no $xtask"
    for file in tokenizer.json tokenizer_config.json; do
        cp "$tokenizer/$file" "$PACK/tokenizer/" || fail "pack: no $file in $tokenizer"
    done
    for file in ARC-{Easy,Challenge}-{Train,Dev,Test}.jsonl; do
        cp "$arc/$file" "$PACK/arc/" || fail "pack: no $file in $arc"
    done
    # What came read-only is to be replaced by the next one.
    chmod -R u+w "$PACK"
    git describe --always --dirty >"$PACK/commit"
    du -ak "$PACK" | sort -n
    local mib=$(($(du -sk "$PACK" | cut -f1) / 1024))
    [ "$mib" -le "$PACK_MIB" ] || fail "pack: .gpu/ has $mib MiB; expected at most $PACK_MIB"
    echo "check: .gpu/ has $mib MiB"
}

# There.

# The program, and where it finds CUDA's headers and its compiler of kernels.
unpack() {
    [ -f "$PACK/likra.xz" ] || fail ".gpu/likra.xz is missing: run \`$0 pack\` first, and carry .gpu"
    mkdir -p "$WORK" "$OUT" || exit 2
    if [ "$PACK/likra.xz" -nt "$WORK/likra.xz" ] || [ ! -x "$WORK/likra" ]; then
        "$PYTHON" - "$PACK/likra.xz" "$WORK/likra" <<'PYTHON' || fail ".gpu/likra.xz could not be unpacked"
import lzma, pathlib, sys
pathlib.Path(sys.argv[2]).write_bytes(lzma.open(sys.argv[1]).read())
PYTHON
        cp "$PACK/xtask" "$WORK/xtask"
        cp -p "$PACK/likra.xz" "$WORK/likra.xz"
        chmod +x "$WORK/likra" "$WORK/xtask"
    fi
    find_cuda
    "$WORK/likra" --version || { ldd "$WORK/likra" >&2; fail "the carried likra does not run here"; }
}

find_cuda() {
    [ "$DEVICE" != cpu ] || return 0
    local compiler packages home library
    compiler=$(readlink -f "$(command -v nvcc)")
    packages=$("$PYTHON" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null)
    for home in "${CUDA_PATH:-}" "${compiler%/bin/nvcc}" /usr/local/cuda "$packages"/cu1*; do
        [ -f "$home/include/cuda_fp16.h" ] && export CUDA_PATH=$home && break
    done
    # A folder with nothing else in it, for torch is to keep its own libraries.
    mkdir -p "$WORK/lib"
    for library in "${CUDA_PATH:-}"/{lib64,lib,targets/x86_64-linux/lib} "$packages"/{cu1*,cuda_nvrtc}/lib; do
        compgen -G "$library/libnvrtc.so*" >/dev/null && ln -sf "$library"/libnvrtc*.so* "$WORK/lib/" && break
    done
    export LD_LIBRARY_PATH=$WORK/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    echo "check: CUDA_PATH=${CUDA_PATH:-}; $(readlink -f "$WORK"/lib/libnvrtc.so* | sort -u | tr '\n' ' ')"
}

# Seconds that this call has left.
left() {
    echo $((call_seconds - SECONDS))
}

# stage NAME: its page and its log in OUT, whatever becomes of it.
stage() {
    local name=$1 limit code=0
    limit=$(left)
    [ "$limit" -le "$STAGE_SECONDS" ] || limit=$STAGE_SECONDS
    echo "check: $name, at most $limit s"
    if [ "$limit" -lt 45 ]; then
        unmeasured "$name" "no time was left for it in this call"
        return
    fi
    ends=$((SECONDS + limit))
    "run_$name" >"$OUT/$name.log" 2>&1 || code=$?
    if [ ! -s "$OUT/$name.md" ]; then
        unmeasured "$name" "it ended with $code before it had a page: $(tail -n 3 "$OUT/$name.log" | tr '\n' ' ')"
        return
    fi
    [ "$code" -eq 0 ] && touch "$WORK/$name.done"
    [ "$code" -eq 0 ] || failed=1
    about >>"$OUT/$name.md"
    cat "$OUT/$name.md"
    echo "check: $name ended with $code, $((limit - ends + SECONDS)) s"
}

unmeasured() {
    failed=1
    printf '# %s\n\n**unmeasured**: %s\n' "$1" "$2" | tee "$OUT/$1.md"
}

about() {
    printf '\n## Where and with what\n\n'
    echo "- machine: $(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null || echo 'no GPU'); $(nproc) cores"
    echo "- program: $("$WORK/likra" --version), of commit $(cat "$PACK/commit"), carried there"
    echo "- model: random weights in the real shapes (\`xtask/gpu/models.py\`); in a benchmark with a tokenizer that is not the model's, so"
    echo "  that a smaller vocabulary is grown to the tokenizer's"
}

# within COMMAND...: until the stage ends; `timeout` itself says 124.
within() {
    local seconds=$((ends - SECONDS))
    timeout --kill-after=5 "$((seconds > 1 ? seconds : 1))" "$@"
}

run_correct() {
    local models=(small-mistral small-llama small-biases smollm2-135m)
    within "$PYTHON" xtask/gpu/correct.py --likra "$WORK/likra" --device "$DEVICE" --work "$WORK" --out "$OUT/correct.md" \
        --minutes "$(minutes 15)" --models "${CORRECT_MODELS[@]:-${models[@]}}"
}

# Minutes until the stage ends, less some seconds.
minutes() {
    awk "BEGIN { print ($ends - $SECONDS - $1) / 60 }"
}

# The whole of it for a small model, and less of it for large ones. A rehearsal is quick.
run_bench-small() { bench bench-small smollm2-135m f32,bf16 --runs 2; }
run_bench-7b() { bench bench-7b mistral-7b bf16 --brief --runs 1; }
run_bench-3b() { bench bench-3b llama-3.2-3b f32,bf16 --brief --runs 1; }

# bench NAME SHAPE PEERS OPTION...
bench() {
    local name=$1 shape=$2 peers=$3
    shift 3
    if [ "$DEVICE" = cpu ]; then
        shape=$([ "$shape" = mistral-7b ] && echo small-mistral || echo small-llama)
        set -- --quick
    fi
    within "$PYTHON" xtask/gpu/models.py "$WORK/bench-models" "$shape" --device "$DEVICE" --tokenizer "$PACK/tokenizer" || return
    echo "check: $shape made"
    LIKRA_BIN=$WORK/likra LIKRA_COMMIT=$(cat "$PACK/commit") CARGO_MANIFEST_DIR=$ROOT/xtask within \
        "$WORK/xtask" bench --model "$WORK/bench-models/$shape" --data "$PACK/arc" --device "$DEVICE" --python "$PYTHON" \
        --peers "$peers" --minutes "$(minutes 20)" --out "$OUT/$name.md" "$@"
}

# Those that an earlier call to this machine has not finished.
run_all() {
    local name
    for name in "${ALL[@]}"; do
        if [ -e "$WORK/$name.done" ]; then
            echo "check: $name is done since $(date -r "$WORK/$name.done" +%T)"
        else
            stage "$name"
        fi
    done
}

main() {
    [ $# -gt 0 ] || fail "no stage; expected pack, all or some of ${ALL[*]}"
    if [ "$1" = pack ]; then
        shift
        pack "$@"
        return
    fi
    local name
    for name in "$@"; do
        [[ " ${ALL[*]} all " == *" $name "* ]] || fail "$name is no stage; expected pack, all or some of ${ALL[*]}"
    done
    call_seconds=$(awk "BEGIN { print int(60 * $MINUTES) }")
    unpack
    for name in "$@"; do
        if [ "$name" = all ]; then run_all; else stage "$name"; fi
    done
    return "$failed"
}

main "$@"
