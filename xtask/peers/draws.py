"""What Python's own `random` draws, and the training pairs that the project's documented rule makes of it.

    python draws.py CASE [arc=DIR]

The rule is restated here from the documentation of `likra_data::training_pairs`, so that a run shares its exact data
with a program in Python.
"""
import random
import sys
from pathlib import Path

from common import Case, arc_rows, say

TRAINING = ["ARC-Easy-Train", "ARC-Easy-Dev", "ARC-Easy-Test", "ARC-Challenge-Train", "ARC-Challenge-Dev"]
STREAM = {"incorrect": 1, "irrelevant": 2}


def draws(case):
    for seed in (0, 42, 1234, 2**32 + 7, 2**63 + 11):
        rng = random.Random(seed)
        asked, found = [], []
        for n in (1, 2, 5, 21, 22, 97, 1119, 6615, 70000):
            for k in sorted({1, min(n, 5), min(n, 25), n if n < 100 else 300}):
                asked.append({"sample": [n, k]})
                found.append(rng.sample(range(n), k))
            asked.append({"choice": n})
            found.append(rng.choice(range(n)))
            if n < 10_000:
                asked.append({"shuffle": n})
                order = list(range(n))
                rng.shuffle(order)
                found.append(order)
        name = f"draws-{seed}"
        case.job("draws", name, seed=seed, draws=asked)
        case.answers[name] = found


def wrong(question):
    texts = question["choices"]["text"]
    gold = texts[question["choices"]["label"].index(question["answerKey"])]
    return [text for text in texts if text != gold]


def answer(kind, questions, place, rng):
    if kind == "incorrect":
        return rng.choice(wrong(questions[place]))
    while True:
        other = rng.randrange(len(questions) - 1)
        text = rng.choice(wrong(questions[other + (other >= place)]))
        if text not in questions[place]["choices"]["text"]:
            return text


def pairs(case, folder, kind, seed):
    questions = [row for file in TRAINING for row in arc_rows(Path(folder) / f"{file}.jsonl")]
    rng = random.Random(4 * seed + STREAM[kind])
    answers = [answer(kind, questions, place, rng) for place in range(len(questions))]
    order = list(range(len(questions)))
    random.Random(4 * seed).shuffle(order)
    name = f"pairs-{kind}-{seed}"
    case.job("pairs", name, task="arc", data=case.relative(folder), kind=kind, seed=seed)
    case.answers[name] = [[questions[place]["id"], answers[place]] for place in order]


def main():
    case = Case(sys.argv[1])
    say("  draws")
    draws(case)
    for argument in sys.argv[2:]:
        for kind in STREAM:
            for seed in (1, 2**32 - 1):
                pairs(case, Path(argument.removeprefix("arc=")).resolve(), kind, seed)
    case.write()


if __name__ == "__main__":
    main()
