"""How long transformers, PEFT and lm-evaluation-harness take for a piece of work; compare.py runs this.

    python peer.py train  MODEL DATA --examples N --objective likelihood|dpo --seed S --adapter DIR --dtype f32|bf16 --device D
    python peer.py score  MODEL DATA --questions N --shots K --rule fixed|per-question --dtype ... --device D
    python peer.py prompt MODEL DATA --tokens N --runs R --dtype ... --device D

Prints one line of JSON: seconds, tokens or questions, and the values that show whether both computed the same, or the
pace of a prompt and what it is to be held against. Imports and opening the model are not in the seconds.
"""
import argparse
import json
import random
import statistics
import time
from functools import partial
from pathlib import Path

from common import arc_rows, attention

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
# Most questions have four candidates; a GPU has room for those of several.
BATCH = {"cpu": 4, "cuda": 16}


def wait(device):
    if device != "cpu":
        torch.cuda.synchronize()


def examples(arguments):
    """Questions with their right answer, for DPO the first wrong one behind it, in the order of `likra train`, tokenised as the
    harness does: whole, then cut."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    rows = list(arc_rows(arguments.data / "ARC-Challenge-Train.jsonl"))
    order = list(range(len(rows)))
    random.Random(4 * arguments.seed).shuffle(order)
    for row in (rows[place] for place in order[:arguments.examples]):
        context = f"Question: {row['question']}\nAnswer:"
        texts, right = row["choices"]["text"], row["choices"]["label"].index(row["answerKey"])
        answers = [texts[right]] + [text for place, text in enumerate(texts) if place != right][:arguments.objective == "dpo"]
        yield [{"tokens": tokenizer(f"{context} {answer}").input_ids, "answer-start": len(tokenizer(context).input_ids)} for answer in answers]


def loss(model, batch, device):
    batch = [(text["tokens"], text["answer-start"]) for [text] in batch]
    width = max(len(tokens) for tokens, _ in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask, labels = ids.clone(), torch.full_like(ids, -100)
    for row, (tokens, start) in enumerate(batch):
        ids[row, :len(tokens)] = torch.tensor(tokens)
        mask[row, :len(tokens)] = 1
        labels[row, start:len(tokens)] = ids[row, start:len(tokens)]
    ids, mask, labels = (tensor.to(device) for tensor in (ids, mask, labels))
    return model(ids, attention_mask=mask, labels=labels).loss


def train(arguments):
    """The loop that PEFT's documentation shows, with likra's settings."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    found, loss_of = list(examples(arguments)), partial(loss, device=arguments.device)
    if arguments.objective == "dpo":
        from objectives import dpo
        loss_of = lambda model, batch: dpo(model, [{"chosen": [right], "rejected": [wrong]} for right, wrong in batch], "sigmoid")
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=DTYPES[arguments.dtype], **attention(arguments.model))
    model.to(arguments.device)
    model.config.use_cache = False
    # Adapters stay in f32 over a base in bf16 (`autocast_adapter_dtype`).
    model = PeftModel.from_pretrained(model, arguments.adapter, is_trainable=True).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    losses = []
    started = time.perf_counter()
    for at in range(0, len(found), 8):
        optimiser.zero_grad()
        value = loss_of(model, found[at:at + 8])
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        losses.append(value.detach())
    wait(arguments.device)
    seconds = time.perf_counter() - started
    tokens = sum(len(text["tokens"]) for texts in found for text in texts)
    return {"seconds": seconds, "tokens": tokens, "values": torch.stack(losses).tolist()}


def score(arguments):
    """The harness's `evaluate` over its own task."""
    from lm_eval.api.samplers import FirstNSampler
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from tasks import TASKS
    batch = BATCH[arguments.device.split(":")[0]]
    harness = HFLM(pretrained=str(arguments.model), dtype=DTYPES[arguments.dtype], device=arguments.device, batch_size=batch,
                   **attention(arguments.model))
    task = TASKS["arc"](arguments.data)
    task.set_config(key="num_fewshot", value=arguments.shots)
    if arguments.rule == "fixed":
        task.sampler = FirstNSampler(list(task.fewshot_docs()), rnd=None)
    run, tokens = harness._loglikelihood_tokens, []

    def counted(requests, *words, **names):
        tokens.extend(len(context) + len(answer) for _, context, answer in requests)
        return run(requests, *words, **names)

    harness._loglikelihood_tokens = counted
    wait(arguments.device)
    started = time.perf_counter()
    tasks = {"tasks": {"task": task}, "groups": {}, "group_map": {}}
    found = evaluate(harness, tasks, limit=arguments.questions, bootstrap_iters=0)
    seconds = time.perf_counter() - started
    samples = sorted(found["samples"]["task"], key=lambda sample: sample["doc_id"])
    values = [response[0] for sample in samples for response in sample["filtered_resps"]]
    return {"seconds": seconds, "questions": len(samples), "tokens": sum(tokens), "values": values}


def prompt(arguments):
    """How fast a prompt is read, of which only the last token's logits are wanted; a first run is not counted."""
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=DTYPES[arguments.dtype], **attention(arguments.model))
    model.eval().to(arguments.device)
    ids = (torch.arange(arguments.tokens) % model.config.vocab_size)[None].to(arguments.device)
    paces = []
    with torch.inference_mode():
        for _ in range(arguments.runs + 1):
            started = time.perf_counter()
            model(ids, use_cache=False, logits_to_keep=1)
            wait(arguments.device)
            paces.append(arguments.tokens / (time.perf_counter() - started))
        # Of the last layer likra runs less than all.
        last = f".layers.{model.config.num_hidden_layers - 1}."
        layers = [weight.numel() for name, weight in model.named_parameters() if ".layers." in name and last not in name and weight.dim() == 2]
        return {"pace": statistics.median(paces[1:]), "flops": 2 * sum(layers), "peak": peak(arguments)}


def peak(arguments, size=4096):
    """The FLOP/s of one large product: the best of a few."""
    one, other = (torch.randn(size, size, dtype=DTYPES[arguments.dtype], device=arguments.device) for _ in range(2))
    paces = []
    for _ in range(4):
        wait(arguments.device)
        started = time.perf_counter()
        one @ other
        wait(arguments.device)
        paces.append(2 * size ** 3 / (time.perf_counter() - started))
    return max(paces)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("work", choices=["train", "score", "prompt"])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--examples", type=int)
    arguments.add_argument("--objective", choices=["likelihood", "dpo"], default="likelihood")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--adapter", type=Path)
    arguments.add_argument("--questions", type=int)
    arguments.add_argument("--shots", type=int, default=0)
    arguments.add_argument("--rule", default="fixed")
    arguments.add_argument("--tokens", type=int)
    arguments.add_argument("--runs", type=int)
    arguments.add_argument("--dtype", choices=DTYPES, default="f32")
    arguments.add_argument("--device", default="cpu")
    arguments = arguments.parse_args()
    print(json.dumps({"train": train, "score": score, "prompt": prompt}[arguments.work](arguments)))


if __name__ == "__main__":
    main()
