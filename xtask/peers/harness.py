"""What lm-evaluation-harness asks, and what its `hf` model answers.

    python harness.py prompts CASE BENCHMARK=DIR ...
    python harness.py scores CASE MODEL BENCHMARK=DIR ... --questions N --shots K [--read MODEL2]

MODEL2 is the folder that `likra probe` is to open instead.
"""
import argparse
import hashlib
from pathlib import Path

from common import Case, say
from tasks import SEED, TASKS, prompts

import torch

SHOTS = {"arc": 25, "hellaswag": 10}


def digest(prompt):
    text = "".join(part + "\0" for part in [prompt["context"], *prompt["continuations"]])
    return hashlib.sha256(text.encode()).hexdigest()


def ask(case, benchmark, folder):
    shots = SHOTS[benchmark]
    say(f"  all prompts of {benchmark}, {shots} shots")
    name = f"prompts-{benchmark}"
    case.job("prompts", name, benchmark=benchmark, data=case.relative(folder), shots=shots, seed=SEED)
    made = TASKS[benchmark](folder)
    case.answers[name] = [[prompt["id"], digest(prompt)] for prompt in prompts(made, shots)]


def score(case, harness, benchmark, folder, questions, shots):
    from lm_eval.evaluator import evaluate
    say(f"  scores of {questions} questions of {benchmark}, {shots} shots")
    made = TASKS[benchmark](folder)
    made.set_config(key="num_fewshot", value=shots)
    found = evaluate(harness, {"tasks": {benchmark: made}, "groups": {}, "group_map": {}}, limit=questions, bootstrap_iters=0)
    name = f"scores-{benchmark}"
    case.job("scores", name, benchmark=benchmark, data=case.relative(folder), questions=questions, shots=shots,
             seed=SEED, bos="auto")
    samples = sorted(found["samples"][benchmark], key=lambda sample: sample["doc_id"])
    likelihoods = [response[0] for sample in samples for response in sample["filtered_resps"]]
    case.tensor(f"{name}/log-likelihoods", torch.tensor([likelihoods], dtype=torch.float64))
    accuracies = found["results"][benchmark]
    case.answers[name] = {metric: accuracies[f"{metric},none"] for metric in ("acc", "acc_norm")}


def folders(texts):
    return [(benchmark, Path(folder).resolve()) for benchmark, folder in (text.split("=", 1) for text in texts)]


def main():
    arguments = argparse.ArgumentParser()
    commands = arguments.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prompts")
    command.add_argument("case", type=Path)
    command.add_argument("data", nargs="+")
    command = commands.add_parser("scores")
    command.add_argument("case", type=Path)
    command.add_argument("model", type=Path)
    command.add_argument("data", nargs="+")
    command.add_argument("--read", type=Path)
    command.add_argument("--questions", type=int, default=20)
    command.add_argument("--shots", type=int, default=5)
    arguments = arguments.parse_args()
    if arguments.command == "prompts":
        case = Case(arguments.case)
        for benchmark, folder in folders(arguments.data):
            ask(case, benchmark, folder)
    else:
        from lm_eval.models.huggingface import HFLM
        case = Case(arguments.case, (arguments.read or arguments.model).resolve())
        harness = HFLM(pretrained=str(arguments.model), dtype="float32", device="cpu", batch_size=4)
        for benchmark, folder in folders(arguments.data):
            score(case, harness, benchmark, folder, arguments.questions, arguments.shots)
    case.write()


if __name__ == "__main__":
    main()
