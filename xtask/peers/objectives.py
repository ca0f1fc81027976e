"""What TRL's losses, or torch's where TRL has none, make of one adapter of a small checkpoint in 20 steps: losses, gradient
norms, and the adapter. Writes fixtures/parity/objectives, which `cargo test -p likra --test parity` compares.

    pip install --no-deps trl==1.16.0
    python objectives.py
"""
import random
import shutil
from collections import defaultdict
from functools import partial
from types import SimpleNamespace

from common import ROOT, Case
from model import ADAPTERS, adapt, ids, load, save_adapter

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

SETTINGS = dict(learning_rate=3e-3, batch_size=4, max_grad_norm=1.0, weight_decay=0.0)
BETA, STEPS, WRONG = 0.5, 20, 3


def examples(vocab):
    """Questions of random tokens, each with a chosen answer and some rejected ones."""
    make, draw = torch.Generator().manual_seed(8), random.Random(9)
    for _ in range(STEPS * SETTINGS["batch_size"]):
        question = ids(make, vocab, draw.randrange(4, 10))
        answers = [ids(make, vocab, draw.randrange(1, 6)) for _ in range(1 + WRONG)]
        texts = [{"tokens": question + answer, "answer-start": len(question)} for answer in answers]
        yield {"chosen": texts[:1], "rejected": texts[1:]}


def padded(texts):
    """Tokens, and which of them are there and which are an answer's."""
    width = max(len(text["tokens"]) for text in texts)
    tokens, mask, answer = torch.zeros(3, len(texts), width, dtype=torch.long)
    for row, text in enumerate(texts):
        length = len(text["tokens"])
        tokens[row, :length] = torch.tensor(text["tokens"])
        mask[row, :length] = 1
        answer[row, text["answer-start"]:length] = 1
    return tokens, mask, answer


def run(model, input_ids, attention_mask, labels, **_):
    """What TRL asks of a model with its own head: log-likelihoods of the next tokens, 0 where there is no label."""
    logs = model(input_ids, attention_mask=attention_mask).logits[:, :-1].log_softmax(-1)
    next_ids, there = input_ids[:, 1:, None], labels[:, 1:] != -100
    found = logs.gather(2, next_ids)[..., 0] * there
    nothing = torch.zeros_like(found)
    return SimpleNamespace(log_probs=found, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())


def tokens_of(model, texts):
    tokens, mask, answer = padded(texts)
    return run(model, tokens, mask, tokens.masked_fill(answer == 0, -100)).log_probs


@torch.no_grad()
def base_sums(head, texts):
    with head.disable_adapter():
        return tokens_of(head, texts).sum(1)


def trainer(head, **settings):
    """As much of TRL's trainer as its loss asks for."""
    same = lambda tensor: tensor
    accelerator = SimpleNamespace(device="cpu", gather=same, gather_for_metrics=same)
    return SimpleNamespace(model=head, accelerator=accelerator, aux_loss_enabled=False, precompute_ref_logps=True, beta=BETA,
                           _metrics=defaultdict(partial(defaultdict, list)), _total_train_tokens=0, _tp_size=1, args=None, **settings)


def dpo(head, batch, loss_type):
    chosen, rejected = ([text for example in batch for text in example[part]] for part in ("chosen", "rejected"))
    tokens, mask, answer = padded(chosen + rejected)
    inputs = dict(input_ids=tokens, attention_mask=mask, completion_mask=answer, ref_chosen_logps=base_sums(head, chosen),
                  ref_rejected_logps=base_sums(head, rejected))
    own = trainer(head, ld_alpha=None, f_divergence_type="reverse_kl", loss_types=[loss_type], loss_weights=[1.0], use_weighting=False)
    return DPOTrainer._compute_loss(own, partial(run, head), inputs, False)


def kto(head, batch):
    texts = [(text, part == "chosen") for example in batch for part in ("chosen", "rejected") for text in example[part]]
    labels, texts = torch.tensor([label for _, label in texts]), [text for text, _ in texts]
    others = [{"tokens": text["tokens"][:text["answer-start"]] + other["tokens"][other["answer-start"]:], "answer-start": text["answer-start"]}
              for text, other in zip(texts, texts[-1:] + texts[:-1])]
    (tokens, mask, answer), (kl_tokens, kl_mask, kl_answer) = padded(texts), padded(others)
    inputs = dict(input_ids=tokens, attention_mask=mask, completion_mask=answer, KL_input_ids=kl_tokens, KL_attention_mask=kl_mask,
                  KL_completion_mask=kl_answer, label=labels, ref_logps=base_sums(head, texts), ref_KL_logps=base_sums(head, others))
    own = trainer(head, calculate_KL=True, loss_type="kto", desirable_weight=1.0, undesirable_weight=1.0)
    own._compute_kl_logps = partial(KTOTrainer._compute_kl_logps, own)
    return KTOTrainer._compute_loss(own, partial(run, head), inputs, False)


def choice(head, batch):
    """Cross-entropy over a question's answers."""
    losses = []
    for example in batch:
        sums = tokens_of(head, example["chosen"] + example["rejected"]).sum(1)
        losses.append(F.cross_entropy(sums[None], torch.tensor([0])))
    return torch.stack(losses).mean()


def unlikelihood(head, batch):
    """fairseq's: -log p of right tokens, -log max(1 - p, 1e-5) of wrong ones."""
    losses = []
    for part, loss in (("chosen", lambda logs: -logs), ("rejected", lambda logs: -torch.log(torch.clamp(1 - logs.exp(), min=1e-5)))):
        for text in (text for example in batch for text in example[part]):
            losses.append(loss(tokens_of(head, [text])[0, text["answer-start"] - 1:]))
    return torch.cat(losses).mean()


def rewards(head, batch):
    """Bradley and Terry's loss as TRL's RewardTrainer has it, which must be run with a trainer around it."""
    reward = lambda part: torch.cat([head(torch.tensor([text["tokens"]])).logits[:, 0] for example in batch for text in example[part]])
    return -F.logsigmoid(reward("chosen") - reward("rejected")).mean()


def reward_model(folder):
    """The same adapter in a model that gives rewards, which are 0 at first."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
    torch.nn.init.zeros_(model.score.weight)
    torch.manual_seed(6)
    return get_peft_model(model, LoraConfig(**ADAPTERS["mlp"], task_type="SEQ_CLS"))


def few(example, chosen, rejected):
    return {"chosen": example["chosen"][:chosen], "rejected": example["rejected"][:rejected]}


# The loss, and how many chosen and rejected answers it is given.
OBJECTIVES = {
    "dpo": (partial(dpo, loss_type="sigmoid"), 1, 1),
    "ipo": (partial(dpo, loss_type="ipo"), 1, 1),
    "kto": (kto, 1, 1),
    "kto-negatives": (kto, 0, 1),
    "choice": (choice, 1, WRONG),
    "unlikelihood": (unlikelihood, 1, 1),
    "bradley-terry": (rewards, 1, 1),
}


def train(case, head, initial, name, learned):
    """20 steps of torch's AdamW from the same adapter."""
    loss_of, chosen, rejected = OBJECTIVES[name]
    learned = [few(example, chosen, rejected) for example in learned]
    case.job("training", name, adapter=case.relative(initial), examples=learned, objective=name, beta=BETA, **SETTINGS)
    head.train()
    trained = [parameter for parameter in head.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=SETTINGS["learning_rate"], weight_decay=0.0)
    losses, norms, size = [], [], SETTINGS["batch_size"]
    for at in range(0, len(learned), size):
        optimiser.zero_grad()
        loss = loss_of(head, learned[at:at + size])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, SETTINGS["max_grad_norm"]))
        optimiser.step()
        losses.append(loss.detach())
    case.tensor(f"{name}/losses", torch.stack(losses)[None])
    case.tensor(f"{name}/norms", torch.stack(norms)[None])
    folder = case.folder / "adapters" / "trained"
    save_adapter(head, folder)
    for tensor, value in load_file(folder / "adapter_model.safetensors").items():
        case.tensor(f"{name}/{tensor.removeprefix('base_model.model.')}", value)
    shutil.rmtree(folder)


def main():
    folder = ROOT / "fixtures/models/llama"
    case = Case(ROOT / "fixtures/parity/objectives", folder)
    model = load(folder)
    learned = list(examples(model.config.vocab_size))
    torch.manual_seed(6)
    head, initial = adapt(model, "mlp"), case.folder / "adapters/initial"
    save_adapter(head, initial)
    model = head.unload()
    for name in OBJECTIVES:
        if name == "bradley-terry":
            head, initial = reward_model(folder), case.folder / "adapters/reward"
            save_adapter(head, initial)
        else:
            torch.manual_seed(6)
            head = adapt(model, "mlp")
        train(case, head, initial, name, learned)
        model = head.unload()
    case.write()


if __name__ == "__main__":
    main()
