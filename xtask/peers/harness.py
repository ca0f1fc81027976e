"""What lm-evaluation-harness's `hf` model answers.

    python harness.py CASE MODEL TASK=DIR ... --questions N --shots K [--read MODEL2]

MODEL2 is the folder that the example `probe` is to open instead.
"""
import argparse
from pathlib import Path

from common import Case, attention, say
from tasks import SEED, TASKS

import torch

def score(case, harness, task, folder, questions, shots):
    from lm_eval.evaluator import evaluate
    say(f"  scores of {questions} questions of {task}, {shots} shots")
    made = TASKS[task](folder)
    made.set_config(key="num_fewshot", value=shots)
    found = evaluate(harness, {"tasks": {task: made}, "groups": {}, "group_map": {}}, limit=questions, bootstrap_iters=0)
    name = f"scores-{task}"
    case.job("scores", name, task=task, data=case.relative(folder), questions=questions, shots=shots,
             seed=SEED, bos="auto")
    samples = sorted(found["samples"][task], key=lambda sample: sample["doc_id"])
    likelihoods = [response[0] for sample in samples for response in sample["filtered_resps"]]
    case.tensor(f"{name}/log-likelihoods", torch.tensor([likelihoods], dtype=torch.float64))
    accuracies = found["results"][task]
    case.answers[name] = {metric: accuracies[f"{metric},none"] for metric in ("acc", "acc_norm")}


def folders(texts):
    return [(task, Path(folder).resolve()) for task, folder in (text.split("=", 1) for text in texts)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("case", type=Path)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("data", nargs="+")
    arguments.add_argument("--read", type=Path)
    arguments.add_argument("--questions", type=int, default=20)
    arguments.add_argument("--shots", type=int, default=5)
    arguments = arguments.parse_args()
    from lm_eval.models.huggingface import HFLM
    case = Case(arguments.case, (arguments.read or arguments.model).resolve())
    harness = HFLM(pretrained=str(arguments.model), dtype="float32", device="cpu", batch_size=4,
                   **attention(arguments.model))
    for task, folder in folders(arguments.data):
        score(case, harness, task, folder, arguments.questions, arguments.shots)
    case.write()


if __name__ == "__main__":
    main()
