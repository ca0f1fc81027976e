"""Runs likra and its peers (transformers with PEFT and lm-evaluation-harness, llama.cpp, candle) on the same work, in
turn, each run in a process of its own; checks that both computed the same; writes every run to a CSV and the medians to a
Markdown table. `cargo xtask compare` runs this. llama.cpp and candle it builds itself, in target/peers.

    python compare.py --likra LIKRA --model DIR --data ARC [--runs N] [--quick] [--dtypes TYPE...] [--peers PEER...]
        [--device D] [--out FILE.md]
"""
import argparse
import csv
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import llamacpp

HERE = Path(__file__).resolve().parent
CANDLE = HERE.parents[1] / "target/peers/candle"
PEERS = ("transformers", "llama.cpp", "candle")
SHOTS = 25
AFRESH, SHARED, THREE = ("scoring, shots anew for each question", "scoring, the same shots for all", "scoring, base and two heads, the same shots")
MEMORY = "peak memory of scoring"
PRODUCTS = "products with the weights of all layers but the last, shots anew"
# As objectives.py has it.
DPO_BETA = 0.5


class Compare:
    def __init__(self, arguments):
        self.arguments, self.runs, self.checks, self.pace = arguments, [], [], 0
        self.scratch = tempfile.TemporaryDirectory()
        self.asked = Path(self.scratch.name) / "tasks.bin"
        # Of the prompt whose pace is measured: as many tokens as likra scores in one pass on a CPU; a GPU gets more of everything.
        gpu = arguments.device != "cpu"
        self.prompt = 4096 if gpu else 768
        self.reading = f"prompt of {self.prompt} tokens"
        self.examples, self.fresh, self.fixed, self.prompts = (16, 1, 8, 1) if arguments.quick else (512, 32, 1000, 5) if gpu else (96, 4, 200, 5)
        # Only transformers is built for a GPU here.
        self.peers = arguments.peers or (PEERS if arguments.device == "cpu" else PEERS[:1])

    def asks(self, peer, dtype):
        """Whether a peer is measured in this type: in bf16, torch takes hours on a CPU without instructions for it."""
        slow = peer == "transformers" and dtype == "bf16" and self.arguments.device == "cpu" and "avx512_bf16" not in flags()
        return peer in self.peers and not slow

    def process(self, command, **environment):
        """Runs a command; returns what it printed, its wall time in seconds and the most memory it held in MiB: the GPU's, if one computes."""
        started, used = time.perf_counter(), []
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
            child = subprocess.Popen(list(map(str, command)), stdout=output, stderr=log, env=os.environ | environment)
            if self.arguments.device != "cpu":
                from common import watch_gpu
                watch_gpu(child, used)
            # Only wait4 knows the memory of this one child.
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0), log.seek(0)
            text, lines = output.read(), log.read()
        if child.returncode:
            sys.exit(f"compare: {command} failed\n{lines}")
        return text, lines, wall, 1024 * max(used) if used else usage.ru_maxrss // 1024

    def likra(self, dtype, *words):
        """What `likra` measured of itself: a list of the fields of its log lines."""
        command = [self.arguments.likra, *words, "--device", self.arguments.device, "--dtype", dtype]
        environment = {"LIKRA_LOG": "likra_experiment=info", "NO_COLOR": "1"}
        _, log, wall, peak = self.process(command, **environment)
        lines = [dict(re.findall(r'(\w+)="?([^" ]+)"?', line)) for line in log.splitlines() if " seconds=" in line]
        return lines, wall, peak

    def peer(self, dtype, *words):
        command = [sys.executable, HERE / "peer.py", *words, "--dtype", dtype, "--device", self.arguments.device]
        text, _, wall, peak = self.process(command)
        return json.loads(text.splitlines()[-1]), wall, peak

    def add(self, quantity, program, value, unit):
        self.runs.append({"quantity": quantity, "program": program, "value": value, "unit": unit})
        print(f"compare: {quantity}, {program}: {value:.4g} {unit}", file=sys.stderr)

    def add_tokens(self, work, one, dtype, ours, peer, theirs):
        """How many tokens are run, for whatever type: what is run once for many saves the rest."""
        if dtype == self.arguments.dtypes[0]:
            self.add(f"{work}, run for {one}", f"likra {dtype}", ours, "tokens")
            self.add(f"{work}, run for {one}", f"{peer} {dtype}", theirs, "tokens")

    def check(self, what, ours, peer, bound, relative):
        """The largest difference; NaN is within no bound."""
        differences = [abs(a - b) / (abs(b) if relative else 1) for a, b in zip(ours, peer, strict=True)]
        self.checks.append((what, len(ours), max(differences), bound, all(d <= bound for d in differences)))

    def train(self, number):
        for dtype in self.arguments.dtypes:
            self.train_head(number, dtype, "LoRA training", "transformers + PEFT", "likelihood", self.examples, "--kind", "correct")
            # TRL's loss is given tensors of the CPU here.
            if self.arguments.device == "cpu":
                wrong = ("--kind", "incorrect", "--wrong-answer", "first", "--objective", "dpo", "--beta", DPO_BETA)
                self.train_head(number, dtype, "DPO training", "transformers + PEFT + TRL", "dpo", self.examples // 2, *wrong)

    def train_head(self, number, dtype, title, peer, objective, examples, *flags):
        model, data, head = self.arguments.model, self.arguments.data, self.head(number, dtype, objective)
        pace, memory = f"{title}, batches of 8", f"peak memory of {title}"
        [trained], _, peak = self.likra(dtype, "train", "--model", model, "--questions", data / "ARC-Challenge-Train.jsonl", *flags,
                                        "--examples", examples, "--seed", number, "--out", head)
        self.add(pace, f"likra {dtype}", examples / float(trained["seconds"]), "examples/s")
        self.add(memory, f"likra {dtype}", peak, "MiB")
        if not self.asks("transformers", dtype):
            return
        losses = [float(row["loss"]) for row in csv.DictReader((head / "log.csv").open())]
        words = ["train", model, data, "--objective", objective, "--examples", examples, "--seed", number, "--adapter", head / "n00000"]
        found, _, peak = self.peer(dtype, *words)
        self.add(pace, f"{peer} {dtype}", examples / found["seconds"], "examples/s")
        self.add(memory, f"{peer} {dtype}", peak, "MiB")
        self.add_tokens(title, "an example", dtype, int(trained["tokens"]) / examples, peer, found["tokens"] / examples)
        if dtype == "f32":
            self.check(f"losses of {title}", losses, found["values"], 1e-3, True)

    def head(self, number, dtype, objective="likelihood"):
        return Path(self.scratch.name) / f"head{number}-{dtype}-{objective}"

    def score_words(self, questions, rule, scores, *more):
        data = self.arguments.data
        return ["score", "--model", self.arguments.model, "--questions", data / "ARC-Challenge-Test.jsonl", "--shots-from",
                data / "ARC-Challenge-Train.jsonl", "--num-shots", SHOTS, "--shots", rule, "--limit", questions, "--out", scores, *more]

    def likra_scores(self, dtype, questions, rule, *more):
        """likra's seconds, tokens, memory and log-likelihoods."""
        scores = Path(self.scratch.name) / "scores.csv"
        lines, _, peak = self.likra(dtype, *self.score_words(questions, rule, scores, *more))
        seconds, tokens = (sum(float(line[field]) for line in lines) for field in ("seconds", "tokens"))
        return seconds, tokens, peak, [float(row["log_likelihood"]) for row in csv.DictReader(scores.open())]

    def harness_scores(self, dtype, title, rule, tokens, ours):
        """The harness's pace and memory. It shares nothing between questions: a few tell its pace."""
        words = ["score", self.arguments.model, self.arguments.data, "--questions", self.fresh, "--shots", SHOTS, "--rule", rule]
        found, _, peak = self.peer(dtype, *words)
        self.add_tokens(title, "a question", dtype, tokens, "lm-eval", found["tokens"] / found["questions"])
        if dtype == "f32":
            self.check(f"log-likelihoods, {rule} shots", ours[:len(found["values"])], found["values"], 1e-3, False)
        return found["questions"] / found["seconds"], peak

    def score_afresh(self, dtype):
        seconds, tokens, peak, ours = self.likra_scores(dtype, self.fresh, "per-question")
        self.add(AFRESH, f"likra {dtype}", self.fresh / seconds, "questions/s")
        self.add(self.reading, f"likra {dtype}", tokens / seconds, "tokens/s")
        self.pace = tokens / seconds
        self.add(MEMORY, f"likra {dtype}", peak, "MiB")
        if self.asks("transformers", dtype):
            pace, peak = self.harness_scores(dtype, AFRESH, "per-question", tokens / self.fresh, ours)
            self.add(AFRESH, f"lm-eval {dtype}", pace, "questions/s")
            self.add(MEMORY, f"lm-eval {dtype}", peak, "MiB")
        if "llama.cpp" in self.peers:
            printed, log, _, peak = self.process(llamacpp.score(self.gguf(dtype), self.asked, self.tasks))
            seconds, read = llamacpp.scored(printed, log, self.tasks)
            self.add(AFRESH, f"llama.cpp {dtype}", self.fresh / seconds, "questions/s")
            self.add(MEMORY, f"llama.cpp {dtype}", peak, "MiB")
            if dtype == "f32":
                # llama.cpp reads each candidate's last token, too, but once what the candidates begin with.
                self.check("tokens of llama.cpp's questions", [tokens], [read], 2e-2, True)

    def score_shared(self, dtype):
        seconds, tokens, _, ours = self.likra_scores(dtype, self.fixed, "fixed")
        self.add(SHARED, f"likra {dtype}", self.fixed / seconds, "questions/s")
        heads = [f"head{place}={self.head(place, dtype) / f'n{self.examples:05}'}" for place in (0, 1)]
        seconds, *_ = self.likra_scores(dtype, self.fixed, "fixed", *(word for head in heads for word in ("--adapter", head)))
        self.add(THREE, f"likra {dtype}", self.fixed / seconds, "questions/s")
        if self.asks("transformers", dtype):
            pace, _ = self.harness_scores(dtype, SHARED, "fixed", tokens / self.fixed, ours)
            self.add(SHARED, f"lm-eval {dtype}", pace, "questions/s")
            # One model at a time: three runs.
            self.add(THREE, f"lm-eval {dtype}", pace / 3, "questions/s")

    def read_prompts(self, dtype):
        """The peers' pace; likra's is that of its scoring."""
        model = self.arguments.model
        if self.asks("transformers", dtype):
            found, *_ = self.peer(dtype, "prompt", model, self.arguments.data, "--tokens", self.prompt, "--runs", self.prompts)
            self.add(self.reading, f"transformers {dtype}", found["pace"], "tokens/s")
            self.add(PRODUCTS, f"likra {dtype}", self.pace * found["flops"] / 1e9, "GFLOP/s")
            self.add(PRODUCTS, f"torch's product of 4096 by 4096 {dtype}", found["peak"] / 1e9, "GFLOP/s")
        if "llama.cpp" in self.peers:
            printed, *_ = self.process(llamacpp.bench(self.gguf(dtype), self.prompt, self.prompts))
            self.add(self.reading, f"llama.cpp {dtype}", llamacpp.pace(printed), "tokens/s")
        if "candle" in self.peers:
            printed, *_ = self.process([CANDLE / "release/candle-peer", model, dtype, self.prompt, self.prompts])
            self.add(self.reading, f"candle {dtype}", json.loads(printed)["pace"], "tokens/s")

    def gguf(self, dtype):
        return Path(self.scratch.name) / f"{dtype}.gguf"

    def prepare(self):
        """What must be built, before anything is measured."""
        for peer, build in (("llama.cpp", self.prepare_llamacpp), ("candle", build_candle)):
            try:
                if peer in self.peers:
                    build()
            except (OSError, subprocess.CalledProcessError) as error:
                sys.exit(f"compare: {peer} could not be built ({error}); --peers leaves it out")

    def prepare_llamacpp(self):
        llamacpp.build()
        for dtype in self.arguments.dtypes:
            self.process(llamacpp.convert(self.arguments.model, dtype, self.gguf(dtype)))
        words = ["prompts", "arc_challenge", "--data", self.arguments.data, "--num-shots", SHOTS, "--shots", "per-question", "--limit", self.fresh]
        prompts = Path(self.scratch.name) / "prompts.jsonl"
        prompts.write_text(self.process([self.arguments.likra, *words])[0])
        printed, *_ = self.process([sys.executable, HERE / "llamacpp.py", self.arguments.model, prompts, self.asked])
        self.tasks = json.loads(printed.splitlines()[-1])

    def first(self, number):
        scores = Path(self.scratch.name) / "first.csv"
        words = ["score", "--model", self.arguments.model, "--questions", self.arguments.data / "ARC-Challenge-Test.jsonl", "--limit", 1, "--out", scores]
        for dtype in self.arguments.dtypes:
            _, wall, _ = self.likra(dtype, *words)
            self.add("from the process's start to the first score", f"likra {dtype}", wall, "s")
            if not self.asks("transformers", dtype):
                continue
            _, wall, _ = self.peer(dtype, "score", self.arguments.model, self.arguments.data, "--questions", 1)
            self.add("from the process's start to the first score", f"lm-eval {dtype}", wall, "s")

    def warm_up(self):
        """A GPU's kernels are compiled the first time that they are asked for, and then kept."""
        peers, self.peers = self.peers, ()
        for number in range(2):
            self.train(number)
        for dtype in self.arguments.dtypes:
            self.score_afresh(dtype)
            self.score_shared(dtype)
            for number in range(2):
                # A head that is there would not be trained again.
                shutil.rmtree(self.head(number, dtype))
        self.peers = peers
        self.runs.clear()

    def run(self):
        self.prepare()
        harness = "transformers" in self.peers
        if self.arguments.device != "cpu":
            self.warm_up()
        for number in range(max(2, self.arguments.runs) if harness else 0):
            self.train(number)
        for number in range(self.arguments.runs):
            for dtype in self.arguments.dtypes:
                self.score_afresh(dtype)
                self.read_prompts(dtype)
                if harness:
                    self.score_shared(dtype)
            if harness:
                self.first(number)

    def table(self):
        values = {}
        for run in self.runs:
            values.setdefault((run["quantity"], run["unit"]), {}).setdefault(run["program"], []).append(run["value"])
        # Three digits, or all of a whole number's.
        digits = lambda value: f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
        range_of = lambda found: f"{digits(statistics.median(found))} ({digits(min(found))} to {digits(max(found))})"
        for (quantity, unit), programs in values.items():
            ours_of = {name: found for name, found in programs.items() if name.startswith("likra ")}
            others = [name for name in programs if name not in ours_of]
            peer_of = lambda name: name.rsplit(" ", 1)[0]
            for own, ours in ours_of.items():
                # In the same type, or else in the one that the peer was measured in.
                same = [name for name in others if name.endswith(own.split()[-1])]
                peers = same + [name for name in others if peer_of(name) not in map(peer_of, same)]
                for program in peers:
                    found = programs[program]
                    ratio = statistics.median(ours) / statistics.median(found)
                    # Of times and memory less is better.
                    times = ratio if unit.endswith("/s") else 1 / ratio
                    yield [f"{quantity}, {unit}", own, range_of(ours), program, range_of(found), f"{times:.2f}"]

    def versions(self):
        from common import versions
        found = versions() if "transformers" in self.peers else {}
        if "llama.cpp" in self.peers:
            found["llama.cpp of llama-cpp-python"] = llamacpp.VERSION
        if "candle" in self.peers:
            found["candle"] = re.search(r'name = "candle-core"\nversion = "(.*)"', (HERE / "candle/Cargo.lock").read_text())[1]
        return found

    def markdown(self):
        cores = os.cpu_count()
        vectors = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in flags()), "")
        cpu = " ".join([facts().get("model name", platform.machine()), *filter(None, [vectors])])
        likra = self.process([self.arguments.likra, "--version"])[0].strip()
        names = ", ".join(f"{name} {version}" for name, version in self.versions().items())
        command = f"cargo xtask compare --model {self.arguments.model.name} --data {self.arguments.data.name} --runs {self.arguments.runs}"
        command += f" --dtypes {' '.join(self.arguments.dtypes)}{' --quick' if self.arguments.quick else ''}"
        command += f" --peers {' '.join(self.arguments.peers)}" if self.arguments.peers else ""
        command += f" --device {self.arguments.device}" if self.arguments.device != "cpu" else ""
        reading = (f"The pace of a prompt: the peers read one of {self.prompt} tokens and compute the logits of its last; likra's pace is that of the scoring "
                   "with shots anew, all of it. One large product tells what the machine can do, so that there 1 is as good as it gets. ")
        if "llama.cpp" in self.peers:
            reading += ("llama.cpp and candle were built for this CPU. llama.cpp's scorer is its own `llama-perplexity --multiple-choice`, given the same "
                        "questions. ")
        device = "cpu"
        if self.arguments.device != device:
            from common import gpu
            device = f"{self.arguments.device} ({gpu()}; kernels compiled before)"
        lines = ["# Speed", "", f"{likra} beside {names}, on {cpu}, {cores} cores, device {device}, model {self.arguments.model.name}, "
                 "questions of ARC. Each run is a process of its own, likra's and the peers' in turn. Numbers are medians, with the smallest and the "
                 f"largest in brackets. Training: {self.examples} examples in batches of 8, half as many by DPO. Scoring: {SHOTS} shots; {self.fresh} questions with shots of "
                 f"their own, {self.fixed} with the same shots ({self.fresh} for the harness, which shares nothing between questions). {reading}Opening the "
                 "model is not counted, except in the time to the first score.", "", f"`{command}` made this page.", ""]
        titles = ["quantity", "", "likra's", "peer", "peer's", "times as good"]
        rows = [titles, ["---"] * len(titles), *self.table()]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines += ["", "Both computed the same:", "", "| values | how many | largest difference | bound | verdict |", "| --- | --- | --- | --- | --- |"]
        for what in dict.fromkeys(what for what, *_ in self.checks):
            counts, found, bounds, holds = zip(*(rest for name, *rest in self.checks if name == what))
            # NaN is the largest.
            worst = max(found, key=lambda one: (one != one, one))
            lines.append(f"| {what} | {sum(counts)} | {worst:.1e} | {bounds[0]:.0e} | {'holds' if all(holds) else '**BROKEN**'} |")
        return "\n".join(lines) + "\n"


def facts():
    return dict(map(str.strip, line.split(":", 1)) for line in open("/proc/cpuinfo") if ":" in line)


def flags():
    return facts().get("flags", "").split()


def build_candle():
    command = ["nice", "-n", "19", "cargo", "build", "--release", "--locked", "--quiet", "--target-dir", CANDLE]
    environment = os.environ | {"RUSTFLAGS": "-Ctarget-cpu=native"}
    subprocess.run(command, cwd=HERE / "candle", env=environment, check=True, stdout=sys.stderr)


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask compare", description="Measures likra and its peers on the same work.")
    folder = lambda text: Path(text).resolve(strict=True)
    arguments.add_argument("--likra", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--model", type=folder, required=True, metavar="DIR", help="a checkpoint folder")
    arguments.add_argument("--data", type=folder, required=True, metavar="DIR", help="the folder with ARC's files")
    arguments.add_argument("--runs", type=int, default=3, metavar="N", help="how often everything is run")
    arguments.add_argument("--quick", action="store_true", help="little work, to see that it runs")
    arguments.add_argument("--dtypes", nargs="+", choices=("f32", "bf16"), default=("f32", "bf16"), metavar="TYPE",
                           help="types of weights; transformers is left out in bf16 on a CPU that has no instructions for it")
    arguments.add_argument("--peers", nargs="+", choices=PEERS, metavar="PEER",
                           help=f"which of {', '.join(PEERS)} to measure; the last two need a C++ and a Rust compiler and a CPU as the device")
    arguments.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or wgpu")
    arguments.add_argument("--out", type=Path, default=HERE.parents[1] / "results/speed.md", metavar="FILE", help="the table; the runs go beside it as CSV")
    compare = Compare(arguments.parse_args())
    compare.run()
    out = compare.arguments.out
    out.write_text(compare.markdown())
    with out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, compare.runs[0].keys())
        writer.writeheader()
        writer.writerows(compare.runs)
    print(f"compare: {out} and {out.with_suffix('.csv')}", file=sys.stderr)
    sys.exit(not all(holds for *_, holds in compare.checks))


if __name__ == "__main__":
    main()
