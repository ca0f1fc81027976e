"""How far bf16 is from f32: likra in both types and transformers in bf16, on the same questions of three benchmarks; then
the same after training. `cargo xtask bf16` runs this.

    python bf16.py --likra LIKRA --model DIR --data DATA [--questions N] [--examples N] [--device D] [--out FILE.md]
"""
import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import versions

import torch
from torch.utils._python_dispatch import TorchDispatchMode

HERE = Path(__file__).resolve().parent
# The task, its folder in DATA, and the file of rows that likra asks.
TASKS = {"arc_challenge": "arc", "hellaswag": "hellaswag", "winogrande": "winogrande"}
SHOTS = 5


class RoundedProducts(TorchDispatchMode):
    """Products of bf16 tensors as CPUs with bf16 instructions make them: exact products, sums in f32, rounded once. torch
    has only slow loops for them on other CPUs."""
    OPERATIONS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}

    def __init__(self, model):
        super().__init__()
        # Weights are the same in every call.
        self.exact = {weight.data_ptr(): weight.detach().float() for weight in model.parameters()}

    def float(self, tensor):
        exact = self.exact.get(tensor.data_ptr())
        same = exact is not None and exact.numel() == tensor.numel()
        return exact.as_strided(tensor.size(), tensor.stride()) if same else tensor.float()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in self.OPERATIONS and args[-1].dtype == torch.bfloat16:
            return function(*map(self.float, args), **(kwargs or {})).bfloat16()
        return function(*args, **(kwargs or {}))


def attention(module, query, key, value, mask, scaling=None, dropout=0.0, **_):
    """torch's attention with its scores and probabilities in f32, which is nearer to f32 than torch is."""
    groups = query.shape[1] // key.shape[1]
    query, key, value = query.float(), key.float().repeat_interleave(groups, 1), value.float().repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scaling + mask[..., :key.shape[2]].float()
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous().bfloat16(), None


def has_bf16():
    return "avx512_bf16" in open("/proc/cpuinfo").read()


def prompts(likra, model, task, data, questions):
    """Of each candidate: its tokens and where its answer starts, tokenised as the harness does: whole, then cut."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(model)
    command = [likra, "prompts", task, "--data", data, "--limit", questions, "--num-shots", SHOTS, "--shots", "fixed"]
    for line in subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.splitlines():
        row = json.loads(line)
        yield row["doc"], tokenizer(row["context"] + row["continuation"]).input_ids, len(tokenizer(row["context"]).input_ids)


@torch.no_grad()
def peer(model, candidates, device):
    """Log-likelihoods by transformers in bf16. What all prompts begin with is run once."""
    from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM, DynamicCache
    from transformers.masking_utils import eager_mask
    AttentionInterface.register("f32_inside", attention)
    AttentionMaskInterface.register("f32_inside", eager_mask)
    real = device != "cpu" or has_bf16()
    model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16, attn_implementation="sdpa" if real else "f32_inside").to(device)
    first = candidates[0][1]
    shared = next(at for at in range(len(first)) if any(tokens[at] != first[at] or at + 1 >= start for _, tokens, start in candidates))
    with RoundedProducts(model) if not real else torch.no_grad():
        prefix = model(torch.tensor([first[:shared]], device=device), use_cache=True).past_key_values
        for document in range(candidates[-1][0] + 1):
            rows = [(tokens[shared:], start - shared) for doc, tokens, start in candidates if doc == document]
            width = max(len(tokens) for tokens, _ in rows)
            ids, mask = torch.zeros(2, len(rows), width, dtype=torch.long, device=device)
            for row, (tokens, _) in enumerate(rows):
                ids[row, :len(tokens)] = torch.tensor(tokens)
                mask[row, :len(tokens)] = 1
            mask = torch.cat([torch.ones(len(rows), shared, dtype=torch.long, device=device), mask], 1)
            cache = DynamicCache([(layer.keys.repeat(len(rows), 1, 1, 1), layer.values.repeat(len(rows), 1, 1, 1)) for layer in prefix.layers])
            logs = model(ids, attention_mask=mask, past_key_values=cache).logits.float().log_softmax(-1)
            for row, (tokens, start) in enumerate(rows):
                yield sum(logs[row, at - 1, tokens[at]].item() for at in range(start, len(tokens)))


def score(arguments, dtype, task, scratch, *more):
    """The rows that `likra score` writes."""
    out = scratch / f"{task}-{dtype}.csv"
    command = [arguments.likra, "score", "--model", arguments.model, "--task", task, "--data", arguments.data / TASKS[task], "--limit",
               arguments.questions, "--num-shots", SHOTS, "--shots", "fixed", "--dtype", dtype, "--device", arguments.device, "--out", out, *more]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with out.open() as rows:
        return list(csv.DictReader(rows))


def accuracy(questions, values, gold):
    """In percent, with half the width of its 95% interval (Wilson's)."""
    best = {}
    for question, value, right in zip(questions, values, gold, strict=True):
        best[question] = max(best.get(question, (-math.inf, False)), (value, right), key=lambda pair: pair[0])
    n, z = len(best), 1.959964
    share = sum(right for _, right in best.values()) / n
    middle, half = (share + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return 100 * share, 100 * (middle - half), 100 * (middle + half)


def row(task, program, values, exact, questions, gold):
    differences = [abs(value - other) for value, other in zip(values, exact, strict=True)]
    share, low, high = accuracy(questions, values, gold)
    mean, largest = (f"{statistics.mean(differences):.3f}", f"{max(differences):.3f}") if any(differences) else ("-", "-")
    return [task, program, str(len(values)), mean, largest, f"{share:.1f} [{low:.1f}, {high:.1f}]"]


def trained(arguments, scratch):
    """ARC under a positive head, a negative one, and their ratio, trained and scored in each type."""
    for dtype in ("f32", "bf16"):
        heads = []
        for name, kind in (("positive", "correct"), ("negative", "incorrect")):
            out = scratch / f"{name}-{dtype}"
            command = [arguments.likra, "train", "--model", arguments.model, "--questions", arguments.data / "arc/ARC-Challenge-Train.jsonl",
                       "--kind", kind, "--examples", arguments.examples, "--dtype", dtype, "--device", arguments.device, "--out", out]
            subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            heads += ["--adapter", f"{name}={out / f'n{arguments.examples:05}'}"]
            print(f"bf16: {name} head trained in {dtype}", file=sys.stderr)
        rows = score(arguments, dtype, "arc_challenge", scratch, *heads)
        by_head = {}
        for found in rows:
            by_head.setdefault(found["head"], []).append(found)
        yield dtype, by_head


def after_training(arguments, scratch):
    found = dict(trained(arguments, scratch))
    for name in ("positive", "negative", "positive / negative"):
        exact = None
        for dtype in ("f32", "bf16"):
            heads = [[float(line["log_likelihood"]) for line in found[dtype][head]] for head in name.split(" / ")]
            values = [pair[0] - sum(pair[1:]) for pair in zip(*heads, strict=True)]
            lines = found[dtype]["base"]
            exact = exact or values
            yield row(name, f"likra {dtype}", values, exact, *labels(lines))


def labels(rows):
    return [line["question_id"] for line in rows], [line["kind"] == "correct" for line in rows]


def before_training(arguments, scratch):
    for task in TASKS:
        rows = score(arguments, "f32", task, scratch)
        exact = [float(line["log_likelihood"]) for line in rows]
        yield row(task, "likra f32", exact, exact, *labels(rows))
        found = [float(line["log_likelihood"]) for line in score(arguments, "bf16", task, scratch)]
        yield row(task, "likra bf16", found, exact, *labels(rows))
        print(f"bf16: {task}: likra is done", file=sys.stderr)
        candidates = list(prompts(arguments.likra, arguments.model, task, arguments.data / TASKS[task], arguments.questions))
        yield row(task, "transformers bf16", list(peer(arguments.model, candidates, arguments.device)), exact, *labels(rows))
        print(f"bf16: {task}: transformers is done", file=sys.stderr)


def table(titles, rows):
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask bf16", description="How far bf16 is from f32.")
    folder = lambda text: Path(text).resolve(strict=True)
    arguments.add_argument("--likra", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--model", type=folder, required=True, metavar="DIR", help="a checkpoint folder")
    arguments.add_argument("--data", type=folder, required=True, metavar="DIR", help="the folder with arc, hellaswag and winogrande in it")
    arguments.add_argument("--questions", type=int, default=200, metavar="N", help="how many questions of each benchmark")
    arguments.add_argument("--examples", type=int, default=512, metavar="N", help="how many examples a head is trained on")
    arguments.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N")
    arguments.add_argument("--out", type=Path, default=HERE.parents[1] / "results/bf16.md", metavar="FILE", help="the page")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        before = list(before_training(arguments, Path(scratch)))
        after = list(after_training(arguments, Path(scratch))) if arguments.examples else []
    names = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("torch", "transformers"))
    how = "with the CPU's own bf16 instructions" if has_bf16() else "this CPU has no bf16 instructions; products of rounded numbers, sums in f32"
    how = how if arguments.device == "cpu" else f"on {torch.cuda.get_device_name()}"
    command = f"cargo xtask bf16 --model {arguments.model.name} --data {arguments.data.name} --questions {arguments.questions} --examples {arguments.examples}"
    titles = ["program", "answers", "mean distance, nats", "largest", "accuracy in percent, 95% interval"]
    page = ["# How far bf16 is from f32", "", f"The first {arguments.questions} test questions of each benchmark, {SHOTS} fixed shots, {arguments.model.name}; "
            f"{names}; {how}. Distances are those of log-likelihoods from likra's in f32, over all candidate answers.", "", f"`{command}` made this page.", "",
            *table(["benchmark", *titles], before)]
    if after:
        page += ["", f"After training on {arguments.examples} examples of ARC a head, each type trained from scratch, asked the same questions of ARC:", "",
                 *table(["head", *titles], after)]
    arguments.out.write_text("\n".join(page) + "\n")
    print(f"bf16: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
