"""`likra serve` under load and abuse, and llama.cpp's server on the same prompts: makes a judge of ARC's training questions,
starts both servers, has load.py ask them, and writes a page. `cargo xtask loads` runs this.

    python loads.py --likra LIKRA --model DIR --data ARC [--requests N] [--prompts N] [--runs N] [--out FILE.md]
"""
import argparse
import itertools
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import llamacpp
from common import ROOT, arc_rows
from serve import Server, free_port

CONNECTIONS, ROWS, SHORT = 32, 64, 40
LOAD = Path(__file__).with_name("load.py")
# After so many answers the server is asked to stop.
STOP = 500
# Of llama.cpp's cache, for each connection.
POSITIONS = 512


def feedback(data, file):
    """A right and a wrong answer to each of the first training questions."""
    draw = random.Random(1)
    with file.open("w", encoding="utf-8") as lines:
        for row, _ in zip(arc_rows(data / "ARC-Challenge-Train.jsonl"), range(ROWS)):
            answers = dict(zip(row["choices"]["label"], row["choices"]["text"]))
            right = answers.pop(row["answerKey"])
            text = {"prompt": f"Question: {row['question']}\nAnswer:", "chosen": right, "rejected": draw.choice(list(answers.values()))}
            lines.write(json.dumps(text, ensure_ascii=False) + "\n")


def load(url, *arguments):
    """What load.py printed, which it also says while it goes on."""
    command = [sys.executable, LOAD, "--url", url, "--connections", CONNECTIONS, *arguments]
    done = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = []
    for line in done.stdout:
        printed.append(line)
        print("loads:", line, end="", file=sys.stderr, flush=True)
    if done.wait():
        sys.exit("loads: load.py failed")
    return "".join(printed)


def pace(printed):
    """Requests a second, and the 50th and 99th percentile of their times in milliseconds."""
    return [float(found) for found in re.search(r" ([\d.]+) a second, p50 ([\d.]+) ms, p99 ([\d.]+) ms", printed).groups()]


def memory(printed):
    found = [tuple(map(int, pair)) for pair in re.findall(r"VmRSS (\d+) MiB, VmHWM (\d+) MiB", printed)]
    return found[0][0], found[-1][0], found[-1][1]


class LlamaServer(Server):
    def __init__(self, gguf, port):
        # As many places as connections; its cache of earlier prompts would answer from what it was asked before.
        command = [llamacpp.BUILT / "bin/llama-server", "--model", gguf, "--port", port, "--parallel", CONNECTIONS, "--ctx-size", POSITIONS * CONNECTIONS,
                   "--kv-unified", "--threads", os.cpu_count(), "--threads-http", 4, "--cache-ram", 0, "--log-verbosity", 0]
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self, url):
        super().wait(url, path="/health")


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask loads", description="Load and abuse for `likra serve`, and llama.cpp's server beside it.")
    folder = lambda text: Path(text).resolve(strict=True)
    arguments.add_argument("--likra", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--model", type=folder, required=True, metavar="DIR", help="the checkpoint's folder")
    arguments.add_argument("--data", type=folder, required=True, metavar="DIR", help="the folder with ARC's files")
    arguments.add_argument("--requests", type=int, default=10_000, metavar="N", help="how many requests are sent, a tenth of them bad")
    arguments.add_argument("--prompts", type=int, default=400, metavar="N", help="how many texts both servers read")
    arguments.add_argument("--runs", type=int, default=3, metavar="N", help="how often, in turn")
    arguments.add_argument("--out", type=Path, default=ROOT / "results/serving.md", metavar="FILE", help="the page")
    arguments = arguments.parse_args()
    llamacpp.build()
    likra, rows = arguments.likra, []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        feedback(arguments.data, scratch / "feedback.jsonl")
        model = ["--model", arguments.model, "--device", "cpu", "--dtype", "f32"]
        llamacpp.run(likra, "train", *model, "--feedback", scratch / "feedback.jsonl", "--learning-rate", 1e-3, "--out", scratch / "judge")
        with (scratch / "prompts.jsonl").open("w") as prompts:
            subprocess.run([likra, "prompts", "arc_challenge", "--data", arguments.data], stdout=prompts, check=True)
        # Abuse is about many requests: short ones.
        lines = (scratch / "prompts.jsonl").read_text().splitlines(keepends=True)
        questions = [list(group) for _, group in itertools.groupby(lines, lambda line: json.loads(line)["doc"])]
        short = sorted(questions, key=lambda question: sum(map(len, question)))[:SHORT]
        (scratch / "short.jsonl").write_text("".join(itertools.chain(*short)))
        prompts, short = ["--prompts", scratch / "prompts.jsonl"], ["--prompts", scratch / "short.jsonl"]
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        serve = [likra, "serve", "--heads", scratch / "judge", *model, "--port", port]

        server = Server(serve)
        server.wait(url)
        printed = load(url, *short, "--requests", arguments.requests, "--judge", "--pid", server.process.pid)
        server.stop()
        rate, middle, late = pace(printed)
        before, after, most = memory(printed)
        counts = [line.split(None, 1) for line in printed.splitlines() if re.match(r" +\d+ (good|bad)", line)]
        server = Server(serve)
        server.wait(url)
        load(url, *short, "--requests", 4 * STOP, "--pid", server.process.pid, "--stop-after", STOP, "--bad", 0)
        code = server.process.wait(60)

        gguf = scratch / "model.gguf"
        llamacpp.run(*llamacpp.convert(arguments.model, "f32", gguf))
        asked = [*prompts, "--requests", arguments.prompts, "--distinct", arguments.prompts, "--bad", 0, "--unchecked"]
        paces = {"likra": [], "llama.cpp": []}
        for _ in range(arguments.runs):
            server = Server(serve)
            server.wait(url)
            paces["likra"].append(pace(load(url, *asked, "--models", "base")))
            server.stop()
            server = LlamaServer(gguf, port)
            server.wait(url)
            paces["llama.cpp"].append(pace(load(url, *asked, "--peer", "llama.cpp")))
            server.process.terminate()
            server.process.wait(60)
    for name, found in paces.items():
        medians = [statistics.median(column) for column in zip(*found)]
        spread = f"{min(row[0] for row in found):.1f} to {max(row[0] for row in found):.1f}"
        rows.append(f"| {name} | {medians[0]:.1f} ({spread}) | {medians[1]:.0f} | {medians[2]:.0f} |")
    facts = dict(map(str.strip, line.split(":", 1)) for line in open("/proc/cpuinfo") if ":" in line)
    page = f"""# `likra serve` under load

{arguments.model.name} in f32 with a judge's two heads, trained on {ROWS} rows; {os.cpu_count()} cores of {facts.get('model name', platform.machine())},
on which the clients run, too. `cargo xtask loads --model {arguments.model.name} --data {arguments.data.name}` made this page.

## Abuse

{arguments.requests} requests over {CONNECTIONS} connections, to all four models and to the judge, a tenth of them bad. Every good
answer is compared with the one that the same request got alone: each log-likelihood within 1e-5 nats, a judge's score within
1e-3. All were. {rate:.1f} good requests a second; half took at most {middle:.0f} ms, 99 of 100 at most {late:.0f} ms. The server held
{before} MiB of memory before, {after} MiB after, and {most} MiB at most.

| what was sent: what came back | requests |
|---|---|
""" + "\n".join(f"| {name} | {number} |" for number, name in counts) + f"""

SIGTERM after {STOP} answers, in the middle of a second load: no answer was cut off or wrong, later requests were refused, and the
server ended with status {code}.

## Beside llama.cpp

{arguments.prompts} texts, questions of ARC with an answer each, over {CONNECTIONS} connections: medians of {arguments.runs} runs in turn. `likra serve`
shares what texts have in common from 128 tokens on, and these texts have none that long; llama.cpp may share shorter beginnings. `likra serve` gives the log-likelihood of every token; llama.cpp
{llamacpp.VERSION} gives none for a prompt, so that it has less to do. Each begins with an empty cache.

| server | requests a second (of all runs) | p50, ms | p99, ms |
|---|---|---|---|
""" + "\n".join(rows) + "\n"
    arguments.out.write_text(page)
    print(f"loads: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
