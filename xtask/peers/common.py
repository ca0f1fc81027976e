"""What the peers of `cargo xtask parity` share: files of jobs, results, models, texts.

A peer leaves in its folder `jobs.json` (what the example `probe` is to compute), `tensors.safetensors` and `answers.json`
(what the peer computed, under the names that the example `probe` uses).
"""
import json
import logging
import os
import subprocess
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "fixtures/data/arc-sample.jsonl"

# The libraries warn of what is meant here: models that are passed as objects, data sets that are not from the hub.
logging.disable(logging.WARNING)
torch.backends.cuda.matmul.allow_tf32 = False


class Case:
    """Jobs, and what the peer found for each."""

    def __init__(self, folder, model=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = model
        self.jobs, self.tensors, self.answers = [], {}, {}

    def job(self, job, name, **settings):
        self.jobs.append({"job": job, "name": name} | {key.replace("_", "-"): value for key, value in settings.items()})

    def tensor(self, name, tensor):
        self.tensors[name] = tensor.detach().float().contiguous().clone()

    def write(self):
        model = None if self.model is None else os.path.relpath(self.model, self.folder)
        (self.folder / "jobs.json").write_text(json.dumps({"model": model, "jobs": self.jobs}) + "\n", encoding="utf-8")
        save_file(self.tensors, self.folder / "tensors.safetensors")
        self.answers["versions"] = versions()
        answers = json.dumps(self.answers, ensure_ascii=False) + "\n"
        (self.folder / "answers.json").write_text(answers, encoding="utf-8")

    def relative(self, path):
        return os.path.relpath(path, self.folder)


def versions():
    """Of the libraries that are there: on a GPU machine not all may be."""
    found = {}
    for name in ("torch", "transformers", "peft", "lm_eval"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def gpu():
    """The name of the GPU that a peer computes on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU that torch knows"


def watch_gpu(child, used):
    """Appends what the GPU's memory holds, in GiB, while a process runs; returns at once."""
    def watch():
        while child.returncode is None:
            asked = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], capture_output=True, text=True)
            used.append(int(asked.stdout.split()[0]) / 1024)
            time.sleep(0.1)
    threading.Thread(target=watch, daemon=True).start()


def arc_rows(path):
    """AI2's lines in the columns of the Hugging Face data set allenai/ai2_arc, which the harness reads."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            choices = row["question"]["choices"]
            yield {"id": row["id"], "question": row["question"]["stem"], "answerKey": row["answerKey"],
                   "choices": {key: [choice[key] for choice in choices] for key in ("text", "label")}}


def attention(model):
    """sdpa, which transformers 4 prefers, passes over gemma2's soft caps."""
    family = json.loads((Path(model) / "config.json").read_text())["model_type"]
    return {"attn_implementation": "eager"} if family == "gemma2" else {}


def say(text):
    print(text, flush=True)
