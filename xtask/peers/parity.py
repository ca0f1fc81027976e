"""The same inputs through transformers, PEFT, torch and lm-evaluation-harness, and through the example `probe`: one table
of how far apart they are, and exit code 1 if a bound is broken. `cargo xtask parity` runs this.

    python parity.py --likra LIKRA [--model DIR] [--arc DIR] [--device D] [--out FILE]
"""
import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "target/peers"

# The small random checkpoints that families.py makes, and whether likra reads them with the config as transformers 5
# spells it.
FAMILIES = {"mistral-7b-v0.1": False, "mistral-7b-instruct-v0.3": True, "llama-3.2-3b-instruct": True,
            "smollm2-135m": False, "llama-biases": False, "qwen2.5-0.5b": False, "qwen3-0.6b": False, "olmo-2-1b": False,
            "gemma-2-2b": False, "gemma-3-1b": False, "smollm3-3b": False, "phi-4-mini": False}

LOGITS, TORCH = ("norm", 1e-4, 1e-3), "torch + PEFT"
# A quantity by the beginning of its job's name: what it is, the peer, how it is compared. The first that fits counts.
CHECKS = [
    ("tokens-", "token ids of context and continuation", "transformers + lm-eval", ("identical",)),
    ("logits-bf16", "logits, bf16 (error against f32, ours over peer's)", "transformers bf16", ("rounding", 1.25)),
    ("logits-padded", "logits, f32, padded batch", "transformers", LOGITS),
    ("logits-prefix", "logits, f32, after a KV prefix", "transformers", LOGITS),
    ("logits-window-prefix", "logits, f32, past the window, after a KV prefix", "transformers", LOGITS),
    ("logits-window", "logits, f32, at and past the sliding window", "transformers", LOGITS),
    ("logits", "logits, f32, all positions", "transformers", LOGITS),
    ("adapter-mlp", "PEFT's adapter in likra: r 8, alpha 8, feed-forward", "PEFT", LOGITS),
    ("adapter-attention-rslora", "PEFT's adapter in likra: r 4, alpha 16, rslora, attention", "PEFT", LOGITS),
    ("ours-adapter-mlp", "likra's adapter in PEFT: feed-forward", "PEFT", LOGITS),
    ("ours-adapter-attention-rslora", "likra's adapter in PEFT: rslora, attention", "PEFT", LOGITS),
    ("gradients-", "gradients of every A and B, one step", TORCH, ("each-norm", 1e-3)),
    ("training", "losses and gradient norms of 50 steps", TORCH, ("each-relative", 1e-3)),
    ("scores-", "log-likelihood of every candidate", "lm-eval", ("likelihoods", 1e-3)),
]


def norm(values):
    return math.sqrt(sum(value * value for value in values))


def distance(a, b):
    return norm([x - y for x, y in zip(a, b, strict=True)])


def largest(values):
    """NaN if one of them is: NaN is within no bound."""
    values = list(values)
    return math.nan if any(map(math.isnan, values)) else max(values, default=math.nan)


def compare(how, pairs, answers):
    """`pairs` are (peer, ours, exact or None) of each tensor. Returns peer, ours, difference, bound, holds."""
    kind, *bounds = how
    words = lambda text, side: f"{text} {math.sqrt(sum(norm(pair[side]) ** 2 for pair in pairs)):.3f}"
    if kind == "identical":
        peer, ours = (answer if isinstance(answer, list) else [answer] for answer in answers)
        differ = sum(a != b for a, b in zip(peer, ours)) + abs(len(peer) - len(ours))
        return f"{len(peer)} entries", f"{len(ours)} entries", f"{differ} differ", "identical", differ == 0 and len(peer) > 0
    if kind == "rounding":
        peer, ours = (largest(distance(pair[side], pair[2]) / norm(pair[2]) for pair in pairs) for side in (0, 1))
        ratio = ours / peer
        return f"{peer:.2e}", f"{ours:.2e}", f"{ratio:.2f} times", f"{bounds[0]:.2f} times", ratio <= bounds[0]
    if kind == "each-relative":
        found = largest(abs(a - b) / abs(a) for peer, ours, _ in pairs for a, b in zip(peer, ours, strict=True))
        last = [f"last loss {pairs[0][side][-1]:.6f}" for side in (0, 1)]
        count = sum(len(pair[0]) for pair in pairs)
        return *last, f"{found:.1e} relative, of {count} numbers", f"{bounds[0]:.0e}", found <= bounds[0]
    absolute = largest(abs(a - b) for peer, ours, _ in pairs for a, b in zip(peer, ours, strict=True))
    if kind == "likelihoods":
        peer, ours = (f"acc {side['acc']:.4f}, acc_norm {side['acc_norm']:.4f}" for side in answers)
        count = sum(len(pair[0]) for pair in pairs)
        holds = absolute <= bounds[0] and peer == ours
        return peer, ours, f"{absolute:.1e} nats, of {count} candidates", f"{bounds[0]:.0e}, accuracies equal", holds
    relative = largest(distance(ours, peer) / norm(peer) for peer, ours, _ in pairs)
    sides = words("norm", 0), words("norm", 1)
    if kind == "each-norm":
        return *sides, f"{relative:.1e} relative, of {len(pairs)} tensors", f"{bounds[0]:.0e}", relative <= bounds[0]
    holds = relative <= bounds[0] and absolute <= bounds[1]
    return *sides, f"{relative:.1e} relative, {absolute:.1e} absolute", f"{bounds[0]:.0e}, {bounds[1]:.0e}", holds


class Side:
    """What one side computed: tensors and answers by the names of jobs."""

    def __init__(self, folder, tensors="tensors.safetensors", prefix=""):
        from safetensors.numpy import load_file
        loaded = load_file(folder / tensors)
        self.tensors = {prefix + name: values.astype("float64").ravel().tolist() for name, values in loaded.items()}
        answers = folder / "answers.json"
        self.answers = json.loads(answers.read_text()) if answers.exists() else {}

    def pairs(self, job, other):
        names = [name for name in self.tensors if name.startswith(f"{job}/") and "#" not in name]
        return [(self.tensors[name], other.tensors[name], self.tensors.get(f"{name}#f32")) for name in names]


def rows(case, ours, model):
    """A row of the table for each job, and for each adapter of likra's that the peer has read back."""
    peer, mine = Side(case), Side(ours)
    jobs = [job["name"] for job in json.loads((case / "jobs.json").read_text())["jobs"]]
    sides = [(name, peer, mine) for name in jobs]
    if (case / "verify.safetensors").exists():
        back, own = Side(case, "verify.safetensors", "ours-"), Side(ours, prefix="ours-")
        sides += [(name, back, own) for name in dict.fromkeys(name.split("/")[0] for name in back.tensors)]
    for name, peer, mine in sides:
        for place, (prefix, quantity, against, how) in enumerate(CHECKS):
            if name.startswith(prefix) and mine.answers.get(name) == "unsupported":
                yield place, [quantity, model, against, "–", "–", "the device lacks this type", "–", None]
                break
            pairs, answers = peer.pairs(name, mine), (peer.answers.get(name), mine.answers.get(name))
            if name.startswith(prefix) and (pairs or answers[0] is not None):
                detail = name.removeprefix(prefix).strip("-")
                of = ", ".join(part for part in (model, detail) if part)
                yield place, [quantity, of, against, *compare(how, pairs, answers)]
                break


class Parity:
    def __init__(self, arguments):
        self.arguments, self.found = arguments, []

    def script(self, name, *words):
        subprocess.run([sys.executable, str(HERE / name), *map(str, words)], check=True, stdout=sys.stderr)

    def probe(self, name, model=""):
        case, ours = WORK / "cases" / name, WORK / "ours" / name
        probe = self.arguments.likra.parent / "examples/probe"
        subprocess.run([probe, case / "jobs.json", "--out", ours, "--device", self.arguments.device], check=True)
        return case, ours

    def compare(self, name, model):
        self.found += rows(*self.probe(name), model)

    def models(self):
        """Name, folder for the peer, folder for likra."""
        if self.arguments.model:
            return [(self.arguments.model.name, self.arguments.model, self.arguments.model)]
        models = WORK / "models"
        self.script("families.py", models, WORK / "wheels")
        return [(name, models / name, models / (f"{name}.v5" if respelled else name)) for name, respelled in FAMILIES.items()]

    def run(self):
        data = [f"arc={self.arguments.arc}"] if self.arguments.arc else []
        for name, model, read in self.models():
            print(f"parity: {name}", file=sys.stderr)
            self.script("model.py", model, WORK / "cases" / name, "--read", read)
            _, ours = self.probe(name)
            self.script("model.py", model, WORK / "cases" / name, "--verify", ours)
            self.compare(name, name)
            scored = data or [f"arc_challenge={ROOT / 'fixtures/tiny'}"]
            counts = ["--questions", self.arguments.questions, "--shots", self.arguments.shots]
            self.script("harness.py", WORK / "cases" / f"{name}-scores", model, *scored, "--read", read, *counts)
            self.compare(f"{name}-scores", name)

    def markdown(self):
        from common import versions
        names = ", ".join(f"{name} {version}" for name, version in versions().items())
        likra = subprocess.run([self.arguments.likra, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        lines = ["# Parity", "", f"{likra} on {self.arguments.device}, in f32 unless a row says otherwise, against {names}.", ""]
        titles = ["quantity", "of", "against", "peer", "ours", "largest difference", "bound", "verdict"]
        verdict = {True: "holds", False: "**BROKEN**", None: "left out"}.get
        table = [[*row[:-1], verdict(row[-1])] for _, row in sorted(self.found, key=lambda found: found[0])]
        lines += ["| " + " | ".join(cells) + " |" for cells in [titles, ["---"] * len(titles), *table]]
        return "\n".join(lines) + "\n"


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask parity", description="Compares likra with the libraries that people trust.")
    folder = lambda text: Path(text).resolve(strict=True)
    arguments.add_argument("--likra", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--model", type=folder, metavar="DIR", help="your own checkpoint, instead of the small random ones")
    arguments.add_argument("--arc", type=folder, metavar="DIR", help="ARC's files: compares scores on them")
    arguments.add_argument("--questions", type=int, default=20, metavar="N", help="how many questions the harness scores")
    arguments.add_argument("--shots", type=int, default=5, metavar="K", help="how many solved questions stand before each")
    arguments.add_argument("--device", default="cpu", help="where likra computes: cpu, cuda, cuda:N or wgpu")
    arguments.add_argument("--out", type=Path, metavar="FILE", help="where the table goes, beside the terminal")
    parity = Parity(arguments.parse_args())
    parity.run()
    text = parity.markdown()
    print(text)
    if parity.arguments.out:
        parity.arguments.out.write_text(text)
    broken = sum(row[-1] is False for _, row in parity.found)
    print(f"parity: {broken} bounds are broken" if broken else "parity: all bounds hold", file=sys.stderr)
    sys.exit(broken > 0 or not parity.found)


if __name__ == "__main__":
    main()
