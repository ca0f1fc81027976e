"""The same jobs by transformers and PEFT on the CPU in f32, and by `likra probe` on the device: one page of differences.

    python correct.py --likra PROGRAM --device D --work FOLDER --out PAGE.md [--minutes N] [--models NAME...]

The page is written after every model, so that whatever ends this leaves what was found. Exit code 1 unless all bounds hold.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compare import compare

HERE = Path(__file__).resolve().parent
MODELS = ["small-mistral", "small-llama", "small-biases", "smollm2-135m"]
# A machine with fewer cores than this a peer is slower with several.
CORES = 4


class Run:
    def __init__(self, arguments):
        self.arguments, self.deadline = arguments, time.monotonic() + 60 * arguments.minutes
        self.rows = {name: [("all", "", "", "unmeasured")] for name in arguments.models}
        self.notes = []

    def command(self, what, *words, environment=None):
        """Whether it succeeded; if not, why is noted."""
        left = self.deadline - time.monotonic()
        if left < 1:
            self.notes.append(f"{what}: no time was left for it")
            return False
        try:
            done = subprocess.run([str(word) for word in words], timeout=left, text=True, errors="replace",
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | (environment or {}))
        except subprocess.TimeoutExpired:
            self.notes.append(f"{what}: the time was over while it ran")
            return False
        if done.returncode:
            print(done.stdout, flush=True)
            said = " / ".join(line.strip() for line in done.stdout.splitlines()[-4:])
            self.notes.append(f"{what}: exit code {done.returncode}: {said[-600:]}")
        return done.returncode == 0

    def peer(self, name, threads):
        work = self.arguments.work
        made = self.command(f"{name}, made", sys.executable, HERE / "models.py", work / "models", name,
                            "--device", self.arguments.device)
        return made and self.command(f"{name}, transformers and PEFT", sys.executable, HERE.parent / "peers/model.py",
                                     work / "models" / name, work / "cases" / name,
                                     environment={"OMP_NUM_THREADS": str(threads)})

    def probe(self, name):
        """All jobs in one process; if that fails, each in its own, so that one keeps no other from being compared."""
        case, ours = self.arguments.work / "cases" / name, self.arguments.work / "ours" / name
        if self.likra(f"{name}, likra probe", case / "jobs.json", ours):
            return [ours]
        jobs = json.loads((case / "jobs.json").read_text())
        folders = []
        for job in jobs["jobs"]:
            path = case / f"only-{job['name']}.json"
            path.write_text(json.dumps(jobs | {"jobs": [job]}))
            folders.append(ours / job["name"])
            self.likra(f"{name}, likra probe, {job['name']} alone", path, folders[-1])
        return folders

    def likra(self, what, jobs, out):
        return self.command(what, self.arguments.likra, "probe", jobs, "--out", out, "--device", self.arguments.device)

    def model(self, name, peer_is_there):
        if not peer_is_there:
            return
        started = time.monotonic()
        folders = self.probe(name)
        case = self.arguments.work / "cases" / name
        self.rows[name] = [(job, f"{found:.1e}", f"{bound:.1e}", result) for job, found, bound, result in compare(case, folders)]
        print(f"correct: {name}, likra took {time.monotonic() - started:.0f} s", flush=True)

    def page(self):
        lines = ["# The same numbers on this device", "", f"- device: {self.arguments.device}",
                 "- peer: transformers and PEFT on the CPU, in f32", *versions(self.arguments.work), "",
                 "Norm of the difference, as a share of the peer's; for bf16 how many times as far from f32 as the peer in bf16. A GPU "
                 "multiplies f32 in TF32, which the bounds allow for. Random weights.", "",
                 "| model | job | largest difference | bound | verdict |", "| --- | --- | --- | --- | --- |"]
        for name, rows in self.rows.items():
            lines += [f"| {name} | {job} | {found} | {bound} | {result if result == 'holds' else f'**{result}**'} |"
                      for job, found, bound, result in rows]
        if self.notes:
            lines += ["", "## What failed", "", *(f"- {note}" for note in self.notes)]
        self.arguments.out.parent.mkdir(parents=True, exist_ok=True)
        self.arguments.out.write_text("\n".join(lines) + "\n")

    def all(self):
        self.page()
        workers = max(1, (os.cpu_count() or 1) // CORES)
        threads = max(1, (os.cpu_count() or 1) // workers)
        with ThreadPoolExecutor(workers) as pool:
            peers = [(name, pool.submit(self.peer, name, threads)) for name in self.arguments.models]
            for name, peer in peers:
                self.model(name, peer.result())
                self.page()
        return all(row[-1] == "holds" for rows in self.rows.values() for row in rows)


def versions(work):
    """Of the peer, from the first case that is there."""
    for file in sorted((work / "cases").glob("*/answers.json")):
        found = json.loads(file.read_text())["versions"]
        return ["- versions: " + ", ".join(f"{name} {version}" for name, version in found.items())]
    return []


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--likra", type=Path, required=True)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--minutes", type=float, default=7.5)
    arguments.add_argument("--models", nargs="+", default=MODELS)
    sys.exit(not Run(arguments.parse_args()).all())


if __name__ == "__main__":
    main()
