"""What transformers, PEFT, torch and the harness's token pairs give for one checkpoint.

    python model.py MODEL CASE [--read MODEL2]      # MODEL2: the folder that the example `probe` is to open instead
    python model.py MODEL CASE --verify OURS        # adapters that the example `probe` wrote, loaded by PEFT

The second adds to CASE what PEFT computes with them, as `verify.safetensors`.
"""
import argparse
import json
import random
import shutil
from pathlib import Path

from common import SAMPLE, Case, arc_rows, attention, say

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

MLP = ["gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "mlp": dict(r=8, lora_alpha=8, target_modules=MLP),
    "attention-rslora": dict(r=4, lora_alpha=16, use_rslora=True,
                             target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj"]),
}
# As phi3 has them: one layer where others have two or three.
FUSED = {"q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj", "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj"}
TRAINING = dict(learning_rate=1e-3, batch_size=4, max_grad_norm=1.0, weight_decay=0.0)
STEPS = 50


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **attention(folder)).eval()


def ids(generator, vocab, length):
    return torch.randint(0, vocab, (length,), generator=generator).tolist()


def logits(model, rows, prefix=(), last=None):
    """Each row's logits, from one padded batch, after a cached prefix if there is one."""
    width = max(map(len, rows))
    padded = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * (len(prefix) + len(row)) + [0] * (width - len(row)) for row in rows])
    with torch.no_grad():
        cache = None
        if prefix:
            first = torch.tensor([list(prefix)] * len(rows))
            cache = model(first, use_cache=True).past_key_values
        # Only where they are wanted: a long text's logits over a large vocabulary are gigabytes.
        keep = last or width
        out = model(padded, attention_mask=mask, past_key_values=cache, use_cache=cache is not None, logits_to_keep=keep).logits
    start = width - keep
    return [row_logits[:len(row) - start] for row_logits, row in zip(out, rows)]


def compare_logits(case, model, name, rows, prefix=(), last=None, adapter=None):
    settings = {"rows": rows} | ({"prefix": list(prefix)} if prefix else {}) | ({"last": last} if last else {})
    if adapter is not None:
        settings["adapter"] = case.relative(adapter)
    case.job("logits", name, **settings)
    for number, found in enumerate(logits(model, rows, prefix, last)):
        case.tensor(f"{name}/{number}", found)


def base_logits(case, model, vocab, length):
    draw = torch.Generator().manual_seed(2)
    whole, half = ids(draw, vocab, length), length // 2
    compare_logits(case, model, "logits", [whole])
    compare_logits(case, model, "logits-padded", [whole[:5], ids(draw, vocab, 17), whole])
    compare_logits(case, model, "logits-prefix", [whole[half:], whole[half:half + 9]], prefix=whole[:half])
    window = getattr(model.config, "sliding_window", None)
    if window:
        text = ids(draw, vocab, window + 40)
        compare_logits(case, model, "logits-window", [text], last=80)
        cut = max(window - 8, window // 2)
        compare_logits(case, model, "logits-window-prefix", [text[cut:]], prefix=text[:cut])
    return whole


def bf16_logits(case, folder, model, whole):
    """Both in bf16, and in f32 what either is an approximation of."""
    case.job("logits", "logits-bf16", rows=[whole], dtype="bf16")
    case.tensor("logits-bf16/0", logits(load(folder, torch.bfloat16), [whole])[0])
    case.tensor("logits-bf16/0#f32", logits(model, [whole])[0])


def adapt(model, name):
    settings = dict(ADAPTERS[name])
    if model.config.model_type == "phi3":
        settings["target_modules"] = sorted({FUSED.get(module, module) for module in settings["target_modules"]})
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **settings))


def make_adapter(case, model, name):
    """An adapter as PEFT writes it, its B not zero; returns the model with it."""
    torch.manual_seed(3)
    head = adapt(model, name)
    folder = case.folder / "adapters" / name
    shutil.rmtree(folder, ignore_errors=True)
    with torch.no_grad():
        for parameter_name, parameter in head.named_parameters():
            if "lora_B" in parameter_name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    save_adapter(head, folder)
    return head, folder


def save_adapter(head, folder):
    """Without a path of this machine, and with a set's members in one order."""
    head.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = None
    settings["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def question_pairs(path=SAMPLE):
    for row in arc_rows(path):
        for choice in row["choices"]["text"]:
            yield f"Question: {row['question']}\nAnswer:", f" {choice}"


def examples(tokenizer, vocab, count):
    """Questions with answers as the project's own tokens, or, for want of a tokenizer, random ones."""
    draw = random.Random(4)
    if tokenizer is None:
        make = torch.Generator().manual_seed(5)
        drawn = [ids(make, vocab, draw.randrange(8, 20)) for _ in range(count)]
        return [{"tokens": tokens, "answer-start": draw.randrange(4, len(tokens))} for tokens in drawn]
    pairs = [tokenizer._encode_pair(*pair) for pair in question_pairs()]
    pairs = [{"tokens": context + answer, "answer-start": len(context)} for context, answer in pairs if answer]
    return [draw.choice(pairs) for _ in range(count)]


def batch_loss(model, batch):
    width = max(len(example["tokens"]) for example in batch)
    tokens = torch.zeros(len(batch), width, dtype=torch.long)
    mask, labels = tokens.clone(), torch.full_like(tokens, -100)
    for row, example in enumerate(batch):
        length, start = len(example["tokens"]), example["answer-start"]
        tokens[row, :length] = torch.tensor(example["tokens"])
        mask[row, :length] = 1
        labels[row, start:length] = tokens[row, start:length]
    return model(tokens, attention_mask=mask, labels=labels).loss


def plain(name):
    """A parameter's name as it stands in PEFT's file, less the prefix."""
    return name.removeprefix("base_model.model.").replace(".default.", ".")


def gradients(case, head, folder, name, batch):
    case.job("gradients", name, adapter=case.relative(folder), examples=batch)
    head.zero_grad()
    batch_loss(head, batch).backward()
    for parameter_name, parameter in head.named_parameters():
        if parameter.requires_grad:
            case.tensor(f"{name}/{plain(parameter_name)}", parameter.grad)


def training(case, model, batches):
    """50 steps of torch's AdamW from an adapter that PEFT has initialised."""
    torch.manual_seed(6)
    head = adapt(model, "mlp")
    folder = case.folder / "adapters" / "initial"
    shutil.rmtree(folder, ignore_errors=True)
    save_adapter(head, folder)
    case.job("training", "training", adapter=case.relative(folder), examples=[e for batch in batches for e in batch],
             **TRAINING)
    trained = [parameter for parameter in head.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=TRAINING["learning_rate"], weight_decay=TRAINING["weight_decay"])
    losses, norms = [], []
    for batch in batches:
        optimiser.zero_grad()
        loss = batch_loss(head, batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, TRAINING["max_grad_norm"]))
        optimiser.step()
        losses.append(loss.detach())
    case.tensor("training/losses", torch.stack(losses)[None])
    case.tensor("training/norms", torch.stack(norms)[None])
    return head.unload()


def heads(case, model, tokenizer, whole, steps):
    vocab = model.config.vocab_size
    learned = examples(tokenizer, vocab, TRAINING["batch_size"] * steps)
    batches = [learned[at:at + TRAINING["batch_size"]] for at in range(0, len(learned), TRAINING["batch_size"])]
    for name in ADAPTERS:
        head, folder = make_adapter(case, model, name)
        compare_logits(case, head.eval(), f"adapter-{name}", [whole], adapter=folder)
        case.job("copy-adapter", name, adapter=case.relative(folder))
        gradients(case, head.train(), folder, f"gradients-{name}", batches[0])
        model = head.unload()
    return training(case, model.train(), batches)


ODD_PAIRS = [("Question: x?\nAnswer: ", "water"), ("Question: x?\nAnswer: \n\t", " water"), ("a\u00a0", "b"),
             ("", " heat"), ("<s>Question:", " heat"), ("na\u00efve \u2192", " 5\u00b0C \U0001F30D"),
             ("A", "nswer: heat"), ("Answe", "r"), ("Roof removal: A man is on a roof. He", " is pulling  it up.")]


def tokens(case, folder, texts):
    """The harness's own `HFLM` with transformers' tokenizer: ids, and where context ends and continuation starts."""
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer
    config = AutoConfig.from_pretrained(folder)
    config.num_hidden_layers, config.tie_word_embeddings = 1, True
    for bos, add_bos in (("auto", None), ("never", False)):
        # Not a model that runs; HFLM asks one to be there.
        stub = AutoModelForCausalLM.from_config(config)
        harness = HFLM(pretrained=stub, tokenizer=AutoTokenizer.from_pretrained(folder), add_bos_token=add_bos)
        found = [harness._encode_pair(*pair) if pair[0] else empty_context(harness, pair[1]) for pair in texts]
        kept = [(pair, found) for pair, found in zip(texts, found) if found[1]]
        name = f"tokens-{bos}"
        case.job("encode", name, bos=bos, pairs=[pair for pair, _ in kept])
        case.answers[name] = [list(found) for _, found in kept]
        yield harness


def empty_context(harness, continuation):
    """As `TemplateLM.loglikelihood` does it."""
    encoded = harness.tok_encode(continuation, add_special_tokens=False)
    prefix = harness.prefix_token_id
    return ([prefix], encoded[1:] if encoded[0] == prefix else encoded)


def verify(model, case_folder, ours):
    """PEFT with the adapters that the project wrote: the same logits as the project's under the originals."""
    jobs = {job["name"]: job for job in json.loads((case_folder / "jobs.json").read_text())["jobs"]}
    whole = jobs["logits"]["rows"][0]
    tensors = {}
    for name in ADAPTERS:
        head = PeftModel.from_pretrained(model, ours / "adapters" / name).eval()
        tensors[f"adapter-{name}/0"] = logits(head, [whole])[0].contiguous().clone()
        model = head.unload()
    save_file(tensors, case_folder / "verify.safetensors")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", type=Path)
    arguments.add_argument("case", type=Path)
    arguments.add_argument("--read", type=Path)
    arguments.add_argument("--verify", type=Path)
    arguments.add_argument("--steps", type=int, default=STEPS)
    arguments.add_argument("--tokens", type=int, default=48, help="of the text whose logits are compared")
    arguments = arguments.parse_args()
    model = load(arguments.model)
    if arguments.verify:
        return verify(model, arguments.case, arguments.verify)
    case = Case(arguments.case, arguments.read or arguments.model)
    say("  logits")
    whole = base_logits(case, model, model.config.vocab_size, arguments.tokens)
    bf16_logits(case, arguments.model, model, whole)
    harness = None
    if (arguments.model / "tokenizer.json").exists():
        say("  tokens")
        texts = [list(pair) for pair in question_pairs()] + [list(pair) for pair in ODD_PAIRS]
        harness = list(tokens(case, arguments.model, texts))[0]
    say("  adapters, gradients, training")
    heads(case, model, harness, whole, arguments.steps)
    case.write()


if __name__ == "__main__":
    main()
