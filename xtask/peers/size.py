"""Whether a 7B fits: makes a checkpoint of Mistral-7B-v0.1's shape with random weights in bf16, scores ARC with it after 25
fixed shots, trains a head for 20 steps, and measures time and memory, with transformers' pace beside. `cargo xtask size` runs
this. It needs 16 GiB of disk.

    python size.py --likra LIKRA --data ARC [--layers N] [--questions N] [--device D] [--out FILE.md]
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from common import ROOT, gpu, versions, watch_gpu

import torch
from safetensors.torch import save_file

# https://huggingface.co/mistralai/Mistral-7B-v0.1/blob/main/config.json
CONFIG = {"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
          "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
          "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
          "sliding_window": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16", "vocab_size": 32000}
PEERS = ROOT / "target/peers"
STEPS, SHOTS = 20, 25


def random(shape, generator):
    """Of the size that keeps activations as large as they are."""
    return (torch.randn(shape, generator=generator, device=generator.device) * shape[-1] ** -0.5).bfloat16().cpu()


def layer(config, number, generator):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    narrow = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (narrow, hidden), "self_attn.v_proj": (narrow, hidden),
              "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner)}
    tensors = {f"model.layers.{number}.{name}.weight": random(shape, generator) for name, shape in shapes.items()}
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"model.layers.{number}.{name}.weight"] = torch.ones(hidden, dtype=torch.bfloat16)
    return tensors


def checkpoint(config, folder):
    """A shard for every four layers, and one for the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator("cuda" if torch.cuda.is_available() else "cpu").manual_seed(1)
    places, size = {}, 0
    def write(name, tensors):
        nonlocal size
        save_file(tensors, folder / name, {"format": "pt"})
        places.update(dict.fromkeys(tensors, name))
        size += sum(tensor.numel() * 2 for tensor in tensors.values())
    layers = config["num_hidden_layers"]
    for first in range(0, layers, 4):
        write(f"model-{first:05}.safetensors", {name: tensor for number in range(first, min(layers, first + 4))
                                               for name, tensor in layer(config, number, generator).items()})
        print(f"size: {min(layers, first + 4)} of {layers} layers are written", file=sys.stderr)
    wide = (config["vocab_size"], config["hidden_size"])
    write("model-rest.safetensors", {"model.embed_tokens.weight": random(wide, generator), "lm_head.weight": random(wide, generator),
                                     "model.norm.weight": torch.ones(wide[1], dtype=torch.bfloat16)})
    [wheel] = (PEERS / "wheels").glob("mistral_common-*.whl")
    with zipfile.ZipFile(wheel) as files:
        [tokenizer] = [name for name in files.namelist() if name.endswith("tokenizer.model.v1")]
        (folder / "tokenizer.model").write_bytes(files.read(tokenizer))
    from transformers import LlamaTokenizerFast
    LlamaTokenizerFast(vocab_file=str(folder / "tokenizer.model")).save_pretrained(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}))
    # Last: what has it is whole.
    (folder / "config.json").write_text(json.dumps(config))


def process(device, *command):
    """What a command logged, its seconds, and the most memory it held where it computed, in GiB."""
    started, used = time.perf_counter(), []
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=log, env=os.environ | {"LIKRA_LOG": "likra_experiment=info", "NO_COLOR": "1"})
        if device != "cpu":
            watch_gpu(child, used)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
    if child.returncode:
        sys.exit(f"size: {command} failed\n{text}")
    lines = [dict(re.findall(r'(\w+)="?([^" ]+)"?', line)) for line in text.splitlines() if " seconds=" in line]
    return lines[-1], time.perf_counter() - started, max(used, default=usage.ru_maxrss / 2**20)


def peer(folder, tokens, device):
    """transformers' seconds for a prompt of so many tokens, in bf16, by itself: the model is opened before, and a GPU used once."""
    code = ("import sys, time, torch\nfrom transformers import AutoModelForCausalLM\n"
            "model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).to(sys.argv[3])\n"
            "ids = torch.arange(1, int(sys.argv[2]) + 1)[None].to(sys.argv[3])\nwith torch.no_grad():\n"
            "  model(ids[:, :2] if sys.argv[3] == 'cpu' else ids, logits_to_keep=1)[0].cpu()\n  started = time.perf_counter()\n"
            "  model(ids, logits_to_keep=1)[0].cpu()\nprint(time.perf_counter() - started)")
    done = subprocess.run([sys.executable, "-c", code, str(folder), str(tokens), device], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main():
    arguments = argparse.ArgumentParser(prog="cargo xtask size", description="Scores and trains with a model of 7B parameters, and measures it.")
    folder = lambda text: Path(text).resolve(strict=True)
    arguments.add_argument("--likra", type=Path, required=True, help=argparse.SUPPRESS)
    arguments.add_argument("--data", type=folder, required=True, metavar="DIR", help="the folder with ARC's files")
    arguments.add_argument("--layers", type=int, default=CONFIG["num_hidden_layers"], metavar="N", help="fewer layers, to see that it runs")
    arguments.add_argument("--questions", type=int, default=10, metavar="N", help="how many questions are asked")
    arguments.add_argument("--device", default="cpu", metavar="D", help="cpu, cuda, cuda:N")
    arguments.add_argument("--peer-tokens", type=int, metavar="N",
                           help="how many tokens transformers runs, 0 leaves it out; 4096 on a GPU, 512 on a CPU, or 32 where it lacks bf16 instructions")
    arguments.add_argument("--out", type=Path, default=ROOT / "results/size.md", metavar="FILE", help="the page")
    arguments = arguments.parse_args()
    facts = dict(map(str.strip, line.split(":", 1)) for line in open("/proc/cpuinfo") if ":" in line)
    has_bf16 = "avx512_bf16" in facts.get("flags", "")
    if arguments.peer_tokens is None:
        # Without the instructions torch multiplies number by number.
        arguments.peer_tokens = 4096 if arguments.device != "cpu" else 512 if has_bf16 else 32
    config = CONFIG | {"num_hidden_layers": arguments.layers}
    model = PEERS / f"mistral-shape-{arguments.layers}"
    if not (model / "config.json").exists():
        checkpoint(config, model)
    weights = sum(file.stat().st_size for file in model.glob("*.safetensors")) / 2**30
    # The first time, a GPU's kernels are compiled. They are kept: the second time counts.
    times, batch = (1, 2) if arguments.device == "cpu" else (2, 8)
    rows = [["work", "tokens/s", "seconds in all", "most memory, GiB", "times the weights"], ["---"] * 5]
    with tempfile.TemporaryDirectory() as scratch:
        common = ["--model", model, "--dtype", "bf16", "--device", arguments.device]
        test, train = arguments.data / "ARC-Challenge-Test.jsonl", arguments.data / "ARC-Challenge-Train.jsonl"
        for work, command in {
            f"score {arguments.questions} questions of ARC after {SHOTS} fixed shots":
                ["score", *common, "--questions", test, "--shots-from", train, "--num-shots", SHOTS, "--shots", "fixed",
                 "--limit", arguments.questions, "--out", f"{scratch}/scores.csv"],
            f"{STEPS} training steps of {batch} examples":
                ["train", *common, "--questions", train, "--kind", "incorrect", "--examples", batch * STEPS, "--batch-size", batch, "--out", f"{scratch}/head"],
        }.items():
            for number in range(times):
                # A head that is there would not be trained again.
                line, seconds, memory = process(arguments.device, arguments.likra, *command[:-1], f"{command[-1]}-{number}")
            rows.append([work, f"{int(line['tokens']) / float(line['seconds']):.1f}", f"{seconds:.0f}", f"{memory:.1f}", f"{memory / weights:.2f}"])
            print("size:", *rows[-1], sep="  ", file=sys.stderr)
    if arguments.peer_tokens:
        seconds = peer(model, arguments.peer_tokens, arguments.device)
        rows.append([f"transformers: a prompt of {arguments.peer_tokens} tokens", f"{arguments.peer_tokens / seconds:.2f}", f"{seconds:.3g}", "", ""])
    cpu = f"{facts.get('model name', platform.machine())} {'avx512_bf16' if has_bf16 else 'without bf16 instructions'}"
    flags = f" --questions {arguments.questions}"
    if arguments.device != "cpu":
        flags += f" --device {arguments.device}"
        cpu += f", device {arguments.device} ({gpu()})"
    page = ["# A model of 7B parameters", "", f"A checkpoint of Mistral-7B-v0.1's shape, {arguments.layers} layers, with random weights: {weights:.1f} GiB in bf16, "
            f"in shards. {os.cpu_count()} cores of {cpu}; torch {versions()['torch']}, transformers {versions()['transformers']}.", "",
            f"`cargo xtask size --data {arguments.data.name}{flags}` made this page.", "", *("| " + " | ".join(row) + " |" for row in rows)]
    arguments.out.write_text("\n".join(page) + "\n")
    print(f"size: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
