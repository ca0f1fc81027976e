"""How long transformers, PEFT and lm-evaluation-harness take for a file of jobs: the peer of `likra bench`.

    python bench.py JOBS.json --out FILE.json --device cpu|cuda --dtype f32|bf16

Reads and writes what `likra bench` reads and writes (`crates/likra/src/bench.rs` says what the keys mean). What a job
does not need is not imported: the memory and the time of imports are part of what is measured. Where the harness is not
installed, `plain.py` scores in its stead, and the report says so.
"""
import argparse
import json
import platform
import resource
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

from common import arc_rows, say, versions

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
SPLITS = {"arc": "ARC-Challenge-Train.jsonl", "arc-format": "train.jsonl"}
# Most questions have four candidates; a GPU has room for those of several.
BATCH = {"cpu": 4, "cuda": 16}
HARNESS = find_spec("lm_eval") is not None
SCORER = "lm-eval" if HARNESS else "plain batched scoring in lm-eval's stead (it is not installed)"


class Bench:
    def __init__(self, jobs, arguments):
        self.folder = arguments.jobs.parent
        self.model = str(self.folder / jobs["model"])
        self.data = self.folder / jobs["data"]
        self.benchmark = jobs["benchmark"]
        self.device, self.dtype = arguments.device, DTYPES[arguments.dtype]
        self.harness = None

    def wait(self):
        if self.device != "cpu":
            torch.cuda.synchronize()

    def sampled(self, job, sample):
        """`sample` returns its seconds; the rest is what it found last."""
        seconds = [sample() for _ in range(job.get("samples", 1))]
        return {"seconds": seconds, "median": statistics.median(seconds)}

    # Training: the loop that PEFT's documentation shows, less what it prints.

    def train(self, job):
        examples = self.examples((job["warm-up"] + job["steps"]) * job["batch-size"])
        size = job["batch-size"]
        batches = [examples[at:at + size] for at in range(0, len(examples), size)]
        losses = []

        def sample():
            losses.clear()
            return self.steps(job, batches, losses)

        measured = self.sampled(job, sample)
        timed = [example for batch in batches[job["warm-up"]:] for example in batch]
        tokens = sum(len(tokens) for tokens, _ in timed)
        return measured | {"tokens": tokens, "questions": len(timed), "values": torch.stack(losses).tolist()}

    def examples(self, count):
        """Questions with their right answers, in order, tokenised as the harness does: whole, then cut."""
        from transformers import AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(self.model)
        found = []
        for row in list(arc_rows(self.data / SPLITS[self.benchmark]))[:count]:
            context = f"Question: {row['question']}\nAnswer:"
            answer = row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])]
            whole = tokenizer(f"{context} {answer}").input_ids
            found.append((whole, len(tokenizer(context).input_ids)))
        assert len(found) == count, f"{count} questions asked for, {len(found)} found"
        return found

    def steps(self, job, batches, losses):
        from peft import PeftModel
        from transformers import AutoModelForCausalLM
        model = AutoModelForCausalLM.from_pretrained(self.model, dtype=self.dtype).to(self.device)
        model.config.use_cache = False
        # Adapters stay in f32 over a base in bf16 (`autocast_adapter_dtype`).
        model = PeftModel.from_pretrained(model, self.folder / job["adapter"], is_trainable=True).train()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert all(parameter.dtype == torch.float32 for parameter in trained)
        optimiser = torch.optim.AdamW(trained, lr=job["learning-rate"], weight_decay=job["weight-decay"])
        started = 0.0
        for number, batch in enumerate(batches):
            if number == job["warm-up"]:
                self.wait()
                started = time.perf_counter()
            optimiser.zero_grad()
            loss = self.loss(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, job["max-grad-norm"])
            optimiser.step()
            losses.append(loss.detach())
        self.wait()
        return time.perf_counter() - started

    def loss(self, model, batch):
        width = max(len(tokens) for tokens, _ in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        mask, labels = ids.clone(), torch.full_like(ids, -100)
        for row, (tokens, start) in enumerate(batch):
            ids[row, :len(tokens)] = torch.tensor(tokens)
            mask[row, :len(tokens)] = 1
            labels[row, start:len(tokens)] = ids[row, start:len(tokens)]
        ids, mask, labels = (tensor.to(self.device) for tensor in (ids, mask, labels))
        return model(ids, attention_mask=mask, labels=labels).loss

    # Scoring: the harness's `evaluate` over its own task.

    def open(self):
        if self.harness is None:
            batch = BATCH[self.device.split(":")[0]]
            if HARNESS:
                from lm_eval.models.huggingface import HFLM
                self.harness = HFLM(pretrained=self.model, dtype=self.dtype, device=self.device, batch_size=batch)
            else:
                from plain import PlainModel
                self.harness = PlainModel(self.model, self.dtype, self.device, batch)
        return self.harness

    def score(self, job):
        assert job["heads"] == ["base"], "the harness scores one model at a time"
        self.open()
        self.evaluate(self.task(job, job["warm-up"]["shots"]), job["warm-up"]["questions"])
        found = {}

        def sample():
            task = self.task(job, job["shots"])
            self.wait()
            started = time.perf_counter()
            found["values"] = self.evaluate(task, job["questions"])
            return time.perf_counter() - started

        measured = self.sampled(job, sample)
        return measured | {"questions": min(job["questions"], len(self.task(job, 0).eval_docs)), "values": found["values"]}

    def task(self, job, shots):
        """Made anew each time: its generator of shots runs on from question to question."""
        if not HARNESS:
            from plain import PlainTask
            return PlainTask(self.benchmark, self.data, job["rule"], shots)
        from tasks import TASKS
        made = TASKS[self.benchmark](self.data)
        made.set_config(key="num_fewshot", value=shots)
        if job["rule"] == "fixed":
            from lm_eval.api.samplers import FirstNSampler
            made.sampler = FirstNSampler(list(made.fewshot_docs()), rnd=None)
        return made

    def evaluate(self, task, questions):
        if not HARNESS:
            return self.harness.evaluate(task, questions)
        from lm_eval.evaluator import evaluate
        tasks = {"tasks": {"task": task}, "groups": {}, "group_map": {}}
        found = evaluate(self.harness, tasks, limit=questions, bootstrap_iters=0)
        samples = sorted(next(iter(found["samples"].values())), key=lambda sample: sample["doc_id"])
        return [response[0] for sample in samples for response in sample["filtered_resps"]]

    def first_score(self, job):
        pair = (job["context"], job["continuation"])
        if not HARNESS:
            values = self.open().loglikelihood([pair])
            return {"at": time.time(), "values": values}
        from lm_eval.api.instance import Instance
        request = Instance("loglikelihood", {}, pair, 0)
        [(value, _)] = self.open().loglikelihood([request], disable_tqdm=True)
        return {"at": time.time(), "values": [value]}

    # The machine.

    def peak(self, job):
        return {"rates": {str(size): self.rate(size, job["samples"]) for size in job["sizes"]}}

    def rate(self, size, samples):
        a, b = (torch.rand(size, size, device=self.device).to(self.dtype) for _ in range(2))
        operations = 2.0 * size ** 3
        repeats = min(max(round(2e9 / operations), 1), 10_000)

        def product():
            started = time.perf_counter()
            for _ in range(repeats):
                a @ b
            self.wait()
            return time.perf_counter() - started

        product()
        return operations * repeats / statistics.median(product() for _ in range(samples))


def peak_memory():
    """In MiB, as the system counts it for `likra bench` too."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("jobs", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--dtype", choices=DTYPES, required=True)
    arguments = arguments.parse_args()
    jobs = json.loads(arguments.jobs.read_text())
    bench, results = Bench(jobs, arguments), {}
    for job in jobs["jobs"]:
        results[job["name"]] = getattr(bench, job["job"].replace("-", "_"))(job)
        say(f"  {job['name']}")
    report = {
        "program": f"transformers + PEFT + {SCORER}", "device": arguments.device, "dtype": arguments.dtype,
        "threads": torch.get_num_threads(), "peak-memory-mib": peak_memory(), "results": results,
        "versions": {"python": platform.python_version()} | versions(),
    }
    arguments.out.write_text(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
