"""lm-evaluation-harness's `local-completions` against `likra serve`: what it asks, and whether it finds our own numbers.

    python serve.py --likra LIKRA --heads DIR --data ARC [--questions N] [--shots K] [--chat] [--adapter NAME=DIR ... --model DIR]
    python serve.py --url http://127.0.0.1:8080 --rows FILE.jsonl --record EXCHANGE.jsonl

The first starts a server, has the harness score arc_challenge once for each model name, and compares with `likra score`
under the adapters; the model `likra` is positive less --weight times negative. The second asks a server that runs, and
writes down every request and answer, and the scores that the harness made of them. fixtures/serve was made by that.

`lm_eval[api]` is needed: tenacity beside what requirements.txt has.
"""
import argparse
import atexit
import csv
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

from common import arc_rows, say

MODELS = ("base", "positive", "negative", "likra")
TASK = "arc_local"
# What rounding may change of an answer's sum, in nats.
BOUND = 2e-4


class Server:
    """`likra serve`, from its start until it was asked to stop and has."""

    def __init__(self, command):
        self.process = subprocess.Popen(list(map(str, command)))

    def wait(self, url, seconds=600, path="/healthz"):
        """Until it answers; it listens before the model is read."""
        for _ in range(10 * seconds):
            if self.process.poll() is not None:
                sys.exit(f"serve: the server ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"{url}{path}", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"serve: no answer within {seconds} s")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if code:
            sys.exit(f"serve: the server ended with {code}")


def recorder(url, exchanges):
    """A server between a client and `url` that keeps what goes through, each request once. Returns its own address."""
    there = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            connection = http.client.HTTPConnection(there.hostname, there.port)
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            exchange = {"method": self.command, "path": self.path, "request": json.loads(body or "null"), "status": answer.status, "answer": json.loads(text)}
            if not any({**known, "answer": 0} == {**exchange, "answer": 0} for known in exchanges):
                exchanges.append(exchange)
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{proxy.server_port}"


def write_task(folder, rows, shots):
    """The harness's own arc_challenge, over rows of this machine."""
    import lm_eval
    import yaml
    from lm_eval.tasks._yaml_loader import load_yaml
    tasks = Path(lm_eval.__file__).parent / "tasks/arc"
    config = load_yaml(tasks / "arc_easy.yaml") | load_yaml(tasks / "arc_challenge.yaml")
    for key in ("include", "tag", "dataset_name"):
        config.pop(key, None)
    files = {}
    for split, found in rows.items():
        path = folder / f"{split}.json"
        path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
        files[split] = str(path)
    config |= {"task": TASK, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "num_fewshot": shots}
    config["training_split"] = "train" if "train" in files else None
    config["validation_split"] = None
    (folder / f"{TASK}.yaml").write_text(yaml.safe_dump({key: value for key, value in config.items() if value is not None}), encoding="utf-8")


def harness(folder, url, model, arguments):
    """The samples of a run of the harness, as a user runs it."""
    out = folder / model
    words = f"model={model},base_url={url}/v1/completions,num_concurrent={arguments.concurrent},max_length={arguments.max_length}"
    command = [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args", words, "--include_path", folder,
               "--tasks", TASK, "--batch_size", arguments.batch_size, "--log_samples", "--output_path", out]
    if arguments.questions:
        command += ["--limit", str(arguments.questions)]
    if arguments.chat:
        # It does not put messages into the template of a server's tokenizer.
        command[command.index(words)] += f",tokenizer_backend=huggingface,tokenizer={arguments.model}"
        command += ["--apply_chat_template"]
    environment = os.environ | {"HF_DATASETS_CACHE": str(folder / "cache")}
    run = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"serve: lm_eval failed\n{run.stdout}\n{run.stderr}")
    (file,) = out.glob("**/samples_*.jsonl")
    samples = [json.loads(line) for line in file.open(encoding="utf-8")]
    return sorted(samples, key=lambda sample: sample["doc_id"])


def responses(sample):
    """Of each choice: context, continuation, log-likelihood, greedy."""
    for place, (response,) in enumerate(sample["resps"]):
        asked = sample["arguments"][f"gen_args_{place}"]
        yield asked["arg_0"], asked["arg_1"], float(response[0]), response[1] == "True"


def own(folder, arguments):
    """What `likra score` finds: by head, question and choice."""
    out = folder / "scores.csv"
    command = [arguments.likra, "score", "--model", arguments.model, "--task", "arc_challenge", "--data", arguments.data,
               "--protocol", "harness-0.4.13", "--num-shots", arguments.shots, "--out", out]
    for adapter in arguments.adapter:
        command += ["--adapter", adapter]
    if arguments.questions:
        command += ["--limit", arguments.questions]
    if arguments.chat:
        command += ["--chat-template"]
    subprocess.run(list(map(str, command)), check=True)
    found = {}
    with out.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"] in ("correct", "incorrect"):
                found.setdefault(row["head"], {})[row["question_id"], int(row["candidate"])] = float(row["log_likelihood"])
    if {"positive", "negative"} <= set(found):
        found["likra"] = {key: value - arguments.weight * found["negative"][key] for key, value in found["positive"].items()}
    return found


def compare(samples, expected):
    """Prints the largest difference of each model, and returns whether all are within the bound."""
    is_met = True
    for model, found in samples.items():
        if model not in expected:
            sys.exit(f"serve: `likra score` has no {model}; give --adapter {model}=DIR")
        differences = [abs(value - expected[model][sample["doc"]["id"], place])
                       for sample in found for place, (_, _, value, _) in enumerate(responses(sample))]
        accuracy = sum(sample["acc"] for sample in found) / len(found)
        say(f"{model}: {len(differences)} choices, accuracy {accuracy:.4f}, largest difference {max(differences):.2g} nats (bound {BOUND})")
        is_met &= max(differences) <= BOUND
    return is_met


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--likra", type=Path)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--serve", nargs="*", default=[], help="further words for likra serve")
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--data", type=Path, help="the folder with AI2's ARC-Challenge-*.jsonl")
    parser.add_argument("--rows", type=Path, help="a file of such lines instead")
    parser.add_argument("--questions", type=int)
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--chat", action="store_true", help="in the checkpoint's chat template")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--concurrent", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=2048, help="the model's; the harness cuts longer prompts on the left")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--model", type=Path, help="the checkpoint, for likra score")
    parser.add_argument("--adapter", action="append", default=[], metavar="NAME=DIR", help="the heads, for likra score")
    parser.add_argument("--weight", type=float, default=1.0)
    arguments = parser.parse_args()
    server, url = None, arguments.url
    if not url:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        server = Server([arguments.likra, "serve", "--heads", arguments.heads, "--port", port, *arguments.serve])
        server.wait(url)
        atexit.register(server.process.kill)
    files = {"test": arguments.rows} if arguments.rows else {split: arguments.data / f"ARC-Challenge-{split.title()}.jsonl" for split in ("train", "test")}
    with tempfile.TemporaryDirectory() as scratch:
        scratch, exchanges = Path(scratch), []
        write_task(scratch, {split: list(arc_rows(file)) for split, file in files.items()}, arguments.shots)
        asked = recorder(url, exchanges) if arguments.record else url
        samples = {}
        for model in arguments.models:
            say(f"lm_eval asks {model} ...")
            samples[model] = harness(scratch, asked, model, arguments)
        if server:
            server.stop()
        if arguments.record:
            scores = [{"model": model, "context": context, "continuation": continuation, "log_likelihood": value, "greedy": greedy}
                      for model, found in samples.items() for sample in found for context, continuation, value, greedy in responses(sample)]
            lines = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in [*exchanges, {"scores": scores}]]
            arguments.record.write_text("".join(lines), encoding="utf-8")
        if arguments.model and not compare(samples, own(scratch, arguments)):
            sys.exit("serve: the harness finds other numbers")


if __name__ == "__main__":
    main()
