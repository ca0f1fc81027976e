"""Random weights under the names and in the shapes of real checkpoints, made where they are needed.

    python models.py OUT NAME... [--device cuda] [--tokenizer FOLDER]

Written with torch and safetensors alone: no version of transformers decides how a config is spelled. Weights are drawn so
that activations keep their size; the numbers mean nothing, the work is the real model's. A model whose vocabulary is
smaller than the tokenizer's gets the tokenizer's: its embedding and output head grow (Mistral's by half a percent of the
model each with SmolLM2's), nothing else does.
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
# hidden, intermediate, layers, query heads, key heads, head_dim, vocabulary, then what else the config says.
SHAPES = {
    "small-mistral": ("mistral", 128, 448, 2, 32, 8, 4, 4096, dict(rope_theta=1e4, sliding_window=64)),
    "small-llama": ("llama", 192, 512, 2, 24, 8, 8, 4096, dict(rope_theta=5e5, rope_scaling=LLAMA3, tie_word_embeddings=True)),
    "small-biases": ("llama", 96, 256, 2, 6, 2, 24, 4096, dict(rope_theta=1e4, attention_bias=True, mlp_bias=True)),
    "smollm2-135m": ("llama", 576, 1536, 30, 9, 3, 64, 49152, dict(rope_theta=1e5, tie_word_embeddings=True)),
    "llama-3.2-3b": ("llama", 3072, 8192, 28, 24, 8, 128, 128256, dict(rope_theta=5e5, rope_scaling=LLAMA3, tie_word_embeddings=True)),
    "mistral-7b": ("mistral", 4096, 14336, 32, 32, 8, 128, 32000, dict(rope_theta=1e4, sliding_window=4096)),
}
SHARD = 4 << 30


def config(name):
    kind, hidden, inner, layers, heads, key_heads, head_dim, vocab, more = SHAPES[name]
    architecture = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM"}[kind]
    return {"architectures": [architecture], "model_type": kind, "hidden_size": hidden, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": key_heads,
            "head_dim": head_dim, "vocab_size": vocab, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "max_position_embeddings": 32768, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
            "torch_dtype": "bfloat16"} | more


def shapes(config):
    """Every tensor's name and shape."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        path = f"model.layers.{layer}"
        for name, out, into in (("q_proj", queries, hidden), ("k_proj", keys, hidden), ("v_proj", keys, hidden),
                                ("o_proj", hidden, queries)):
            yield f"{path}.self_attn.{name}.weight", (out, into)
            if config.get("attention_bias"):
                yield f"{path}.self_attn.{name}.bias", (out,)
        for name, out, into in (("gate_proj", inner, hidden), ("up_proj", inner, hidden), ("down_proj", hidden, inner)):
            yield f"{path}.mlp.{name}.weight", (out, into)
            if config.get("mlp_bias"):
                yield f"{path}.mlp.{name}.bias", (out,)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{path}.{name}.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (config["vocab_size"], hidden)


def draw(name, shape, generator, device):
    noise = torch.randn(shape, generator=generator, device=device)
    if name.endswith("norm.weight"):
        noise = 1 + 0.3 * noise
    else:
        noise = noise * (0.1 if name.endswith(".bias") else shape[-1] ** -0.5)
    return noise.to(torch.bfloat16).cpu()


def vocabulary(tokenizer):
    """One more than its largest id."""
    made = json.loads((tokenizer / "tokenizer.json").read_text())
    ids = [*made["model"]["vocab"].values(), *(token["id"] for token in made["added_tokens"])]
    return max(ids) + 1


def make(name, out, device, tokenizer):
    folder = out / name
    if (folder / "config.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings = config(name)
    if tokenizer:
        settings["vocab_size"] = max(settings["vocab_size"], vocabulary(tokenizer))
    generator = torch.Generator(device).manual_seed(1)
    shards, files, size = [{}], {}, 0
    for tensor, shape in shapes(settings):
        values = draw(tensor, shape, generator, device)
        if size + values.nbytes > SHARD:
            shards.append({})
            size = 0
        shards[-1][tensor] = values
        size += values.nbytes
    for number, shard in enumerate(shards, 1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        files |= {tensor: file for tensor in shard}
    if len(shards) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    if tokenizer:
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tokenizer / file, folder)
    # Last: its presence says that the folder is whole.
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    print(f"made {folder}", flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out", type=Path)
    arguments.add_argument("names", nargs="+", choices=SHAPES)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--tokenizer", type=Path)
    arguments = arguments.parse_args()
    for name in arguments.names:
        make(name, arguments.out, arguments.device, arguments.tokenizer)
