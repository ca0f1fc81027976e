"""What lm-evaluation-harness does for `arc_challenge` with its `hf` model, for machines that lack the harness.

The same prompts from the same draws, the same pairs of context and continuation, the same batches: each pair encoded and run
whole, longest first, padded on the right without a mask, log_softmax over all of it in the model's own type, the
continuation's part summed. Pairs that differ in their last token alone are run once, as the harness's `logits_cache` has it.
"""
import random

from common import arc_rows

import torch

SEED = 1234
FILES = {"arc": "ARC-Challenge-{}.jsonl", "arc-format": "{}.jsonl"}


class PlainTask:
    """Its generator of shots runs on from question to question."""

    def __init__(self, benchmark, folder, rule, shots):
        def rows(split):
            split = split if benchmark == "arc" else split.lower()
            return list(arc_rows(folder / FILES[benchmark].format(split)))

        self.pool, self.eval_docs = rows("Train"), rows("Test")
        self.rule, self.shots, self.draws = rule, shots, random.Random(SEED)

    def pairs(self, questions):
        """Contexts and continuations of the first questions, candidate after candidate."""
        for row in self.eval_docs[:questions]:
            drawn = self.pool[:self.shots] if self.rule == "fixed" else self.draws.sample(self.pool, self.shots)
            context = "\n\n".join([f"{question(shot)} {right(shot)}" for shot in drawn] + [question(row)])
            for choice in row["choices"]["text"]:
                yield context, f" {choice}"


def question(row):
    return f"Question: {row['question']}\nAnswer:"


def right(row):
    return row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])]


class PlainModel:
    def __init__(self, folder, dtype, device, batch):
        from transformers import AutoModelForCausalLM, AutoTokenizer
        # Straight to the GPU, as the harness opens it.
        where = {} if device == "cpu" else {"device_map": {"": device}}
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **where).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.device, self.batch = device, batch

    def evaluate(self, task, questions):
        return self.loglikelihood(list(task.pairs(questions)))

    def loglikelihood(self, pairs):
        """The sum of the log-likelihoods of each continuation's tokens."""
        encoded = [self.encode(*pair) for pair in pairs]
        groups = {}
        for number, (context, continuation) in enumerate(encoded):
            groups.setdefault(tuple(context + continuation[:-1]), []).append(number)
        texts = sorted(groups, key=lambda text: (-len(text), text))
        found = [0.0] * len(pairs)
        for at in range(0, len(texts), self.batch):
            batch = texts[at:at + self.batch]
            for text, likelihoods in zip(batch, self.likelihoods(batch)):
                for number in groups[text]:
                    continuation = encoded[number][1]
                    rows = likelihoods[len(text) - len(continuation):len(text)]
                    wanted = torch.tensor(continuation, device=self.device)[:, None]
                    found[number] = float(rows.gather(1, wanted).sum())
        return found

    def encode(self, context, continuation):
        """Whole, then cut: blanks at the context's end belong to the continuation."""
        blanks = len(context) - len(context.rstrip())
        if blanks:
            context, continuation = context[:-blanks], context[-blanks:] + continuation
        whole = self.tokenizer(context + continuation).input_ids
        start = len(self.tokenizer(context).input_ids)
        return whole[:start], whole[start:]

    def likelihoods(self, texts):
        width = len(texts[0])
        ids = torch.tensor([list(text) + [0] * (width - len(text)) for text in texts], device=self.device)
        with torch.no_grad():
            return torch.log_softmax(self.model(ids).logits, dim=-1)
