#!/usr/bin/env bash
# What users' machines do to a run: `xtask/abuse.sh LIKRA [KILLS]`, where LIKRA is the program (target/release/likra).
#
# Kills train, score and reproduce KILLS times each (100) with SIGKILL at random moments, lets each end, and compares every
# byte with a run that nobody disturbed. Then: a full disk, a read-only folder, too little address space, two runs in one
# folder, a closed output. Needs Linux, and root for the file systems that it mounts. Prints one line for each; the exit code
# tells whether all held.
set -uo pipefail
likra=$(realpath "$1") kills=${2:-100}
cd "$(dirname "$0")/.."
tiny=fixtures/tiny
work=$(mktemp -d) disk=$work/disk failed=0
trap 'umount "$disk" 2>/dev/null; rm -rf "$work"' EXIT

say() { printf '%-60s %s\n' "$1" "$2"; [ "$2" = holds ] || failed=1; }
holds() { local what=$1; shift; if "$@" >"$work/log" 2>&1; then say "$what" holds; else say "$what" FAILS; tail -5 "$work/log"; fi; }

train() { "$likra" train --model $tiny --questions $tiny/train.jsonl --kind incorrect --examples 256 --device cpu --out "$1"; }
score() { "$likra" score --model $tiny --questions $tiny/test.jsonl --device cpu --out "$1/scores.csv"; }
reproduce() { "$likra" reproduce --examples 64 --limit 64 --device cpu --out "$1"; }

# The stamps and the page have how long things took.
same() { diff -r -x steps -x index.html -x cost.csv -x '.likra-*.partial' "$1" "$2"; }

kill_many() {
    local command=$1 killed=0 begin took
    mkdir -p "$work/$command.whole" "$work/$command.killed"
    begin=$(date +%s%N)
    "$command" "$work/$command.whole" >/dev/null 2>&1
    took=$((($(date +%s%N) - begin) / 1000000))
    while [ "$killed" -lt "$kills" ]; do
        "$command" "$work/$command.killed" >/dev/null 2>&1 &
        sleep "$(printf '0.%03d' $((RANDOM % (took < 999 ? took : 999))))"
        # A function in the background is a shell: its program is the child.
        if pkill -KILL -P $! 2>/dev/null; then killed=$((killed + 1)); else kill -KILL $! 2>/dev/null; fi
        wait $! 2>/dev/null
        # One that has ended has nothing left to be killed in.
        [ "$((killed % 10))" -ne 9 ] || [ "$command" = score ] || rm -rf "$work/$command.killed"
        mkdir -p "$work/$command.killed"
    done
    "$command" "$work/$command.killed" >/dev/null 2>&1
    holds "$command, killed $killed times, ends with the same bytes" same "$work/$command.whole" "$work/$command.killed"
}
for command in train score reproduce; do kill_many $command; done

# The message says so, the exit code is 1, and nothing of what was there is lost.
says() { local words=$1; shift; "$@" >"$work/out" 2>"$work/err"; local code=$?; cat "$work/err"; [ $code -eq 1 ] && grep -q "$words" "$work/err" && ! grep -q panicked "$work/err"; }

mkdir -p "$disk"
mount -t tmpfs -o size=400k tmpfs "$disk"
holds "a disk without room for the adapters is refused" says "MiB are left" train "$disk/head"
echo kept >"$disk/scores.csv"
head -c 380k /dev/zero >"$disk/filler" 2>/dev/null
holds "a disk that is full: an error that names the file" says "scores.csv" score "$disk"
holds "... and the old file stands" grep -q kept "$disk/scores.csv"
rm -rf "${disk:?}"/*
mount -o remount,size=64m "$disk"
reproduce "$disk/run" >/dev/null 2>&1
rm "$disk/run/scores/base.csv.gz"
head -c 70m /dev/zero >"$disk/filler" 2>/dev/null
holds "reproduce on a disk that has become full" says "No space left\|MiB are left" reproduce "$disk/run"
rm "$disk/filler"
holds "... and it goes on when there is room" reproduce "$disk/run"
holds "... to the same bytes" same "$work/reproduce.whole" "$disk/run"
mount -o remount,ro "$disk"
for command in train score reproduce; do holds "$command into a read-only folder" says "$disk" $command "$disk/new"; done

little() { (ulimit -v 60000; "$@"); }
holds "too little address space: an error with both numbers" says "are needed, but .ulimit -v. leaves" little score "$work"

two() { train "$work/two" & sleep 0.1; train "$work/two"; local code=$?; wait; return $code; }
holds "two runs in one folder: one is refused" says "another run is at work" two
holds "... and the other ends as if alone" same "$work/train.whole" "$work/two"

holds "a closed standard error" bash -c "'$likra' score --model $tiny --questions $tiny/test.jsonl --out '$work/c.csv' 2>&1 | true; test -s '$work/c.csv'"
exit $failed
