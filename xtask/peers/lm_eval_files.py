r"""The files that lm-evaluation-harness writes for a run: fixtures/lm-eval.

    python lm_eval_files.py [RUN ...]           # fixtures/lm-eval/RUN/fixtures__tiny/*: all of RUNS in some minutes
    python lm_eval_files.py --check DIR ...     # what `likra score --format lm-eval` wrote, against these

The first runs `lm_eval --log_samples --output_path` for each of RUNS, with the rows of fixtures/lm-eval/rows in place of the
hub's, and takes out what is of one machine or one moment. In fixtures/lm-eval/README.md is what `likra score` is to be given.

`--check` finds the run by its tasks. Keys, their order, texts, hashes and types must be equal, and numbers within 1e-4 (large
ones within a millionth). Then it reads the folder with what reads such folders: `make_table`, the harness's card of results
for the hub, `datasets`, and what scripts/zeno_visualize.py does.
"""
import argparse
import functools
import json
import math
import os
import re
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("TQDM_DISABLE", "1")

import datasets
import lm_eval
import sklearn.metrics
from common import ROOT, say
from lm_eval.loggers import EvaluationTracker
from lm_eval.utils import (get_latest_filename, get_results_filenames, get_sample_results_filenames, hash_string, make_table,
                           sanitize_model_name)

HOME = ROOT / "fixtures/lm-eval"
RUNS = {
    "arc_challenge": ["arc_challenge", "--num_fewshot", "2"],
    "winogrande": ["winogrande", "--num_fewshot", "1"],
    "truthfulqa_mc2": ["truthfulqa_mc2"],
    "subjects": ["subjects", "--num_fewshot", "1", "--limit", "4"],
    "pairs": ["pairs", "--num_fewshot", "1"],
}
FOLDERS = {"ARC-Challenge": "arc_challenge", "winogrande_xl": "winogrande", "multiple_choice": "truthfulqa_mc2"}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}")


# What the harness writes

def local(cache):
    """`datasets.load_dataset` with rows of this repository, whichever of the hub's are asked for."""
    genuine = datasets.load_dataset

    def load_dataset(path, name=None, **_):
        folder = HOME / "rows" / (f"mmlu_{name}" if path == "cais/mmlu" else FOLDERS.get(name, path))
        return genuine("json", data_files={file.stem: str(file) for file in folder.glob("*.jsonl")}, cache_dir=cache)

    return patch.object(datasets, "load_dataset", load_dataset)


def counted(name):
    """A score of sklearn, computed once for rows that only stand in another order: 100,000 samples of seven rows are few."""
    genuine = getattr(sklearn.metrics, name)
    known = functools.cache(lambda pairs: genuine(*zip(*pairs)))
    return patch.object(sklearn.metrics, name, lambda right, found: known(tuple(sorted(zip(right, found)))))


def make(names):
    from lm_eval.__main__ import cli_evaluate
    os.chdir(ROOT)
    warnings.simplefilter("ignore")
    for name in names:
        model = ["--model", "hf", "--model_args", "pretrained=fixtures/tiny,dtype=float32", "--device", "cpu"]
        tasks = ["--include_path", str(HOME / "tasks"), "--tasks", *RUNS[name]]
        with TemporaryDirectory() as cache:
            written = ["--log_samples", "--output_path", f"{cache}/out"]
            command = ["lm_eval", "run", *model, *tasks, *written]
            with local(cache), counted("f1_score"), counted("matthews_corrcoef"), patch.object(sys, "argv", command):
                cli_evaluate()
            for file in sorted(Path(f"{cache}/out").rglob("*.json*")):
                keep(file, HOME / name / file.parent.name)


def keep(file, folder):
    """Without times and what is of this machine."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        found = json.loads(text)
        found |= {"git_hash": "0000000", "date": 0.0, "pretty_env_info": "", "total_evaluation_time_seconds": "0.0"}
        for config in found["configs"].values():
            source = Path(config["metadata"]["config_source"])
            base = ROOT if source.is_relative_to(HOME) else Path(lm_eval.__file__).parents[1]
            config["metadata"]["config_source"] = str(source.relative_to(base))
        text = re.sub(r" at 0x[0-9a-f]+>", " at 0x0>", json.dumps(found, indent=2, ensure_ascii=False))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATE.sub("2026-01-01T00-00-00.000000", file.name)).write_text(text, encoding="utf-8", newline="\n")


# A folder of a run

class Run:
    def __init__(self, folder):
        results = sorted(Path(folder).rglob("results_*.json"))
        assert len(results) == 1, f"{folder}: {len(results)} files results_*.json, expected one"
        self.folder, self.file = results[0].parent, results[0]
        self.results = json.loads(self.file.read_text(encoding="utf-8"))
        self.date = self.file.stem.removeprefix("results_")
        self.samples = {task: [json.loads(line) for line in self.lines(task)] for task in self.results["configs"]}

    def path(self, task):
        return self.folder / f"samples_{task}_{self.date}.jsonl"

    def lines(self, task):
        text = self.path(task).read_text(encoding="utf-8")
        assert text.endswith("\n"), f"{self.path(task)}: the last line does not end"
        return text[:-1].split("\n")


# Whether two are equal

# What a run says of itself, its machine and its program, and templates that may be written in another way.
FREE = {"git_hash", "date", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash", "model_source",
        "model_name", "model_name_sanitized", "total_evaluation_time_seconds"}
FREE_CONFIG = {"model", "model_args", "model_dtype", "model_revision", "model_sha", "batch_size", "batch_sizes", "device",
               "use_cache", "bootstrap_iters", "gen_kwargs", "random_seed", "numpy_seed", "torch_seed"}
TASK_CONFIG = ["task", "task_alias", "dataset_path", "dataset_name", "training_split", "validation_split", "test_split",
               "fewshot_split", "target_delimiter", "fewshot_delimiter", "num_fewshot", "output_type", "repeats"]
NUMBERS_IN_TEXT = {"resps", "filtered_resps", "brier_score"}
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)")


def near(ours, theirs):
    return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-4) or math.isnan(ours) and math.isnan(theirs)


def differences(ours, theirs, path="", free=(), loose=False):
    if type(ours) is not type(theirs):
        yield f"{path}: {ours!r}, expected {theirs!r}"
    elif isinstance(ours, dict):
        if list(ours) != list(theirs):
            missing, more = [key for key in theirs if key not in ours], [key for key in ours if key not in theirs]
            yield f"{path}: keys that are missing: {missing}, that are more: {more}; or their order: {list(ours)}"
        for key in theirs:
            if key in ours and key not in free:
                yield from differences(ours[key], theirs[key], f"{path}/{key}", loose=loose or key in NUMBERS_IN_TEXT)
    elif isinstance(ours, list):
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} items, expected {len(theirs)}"
        for place, pair in enumerate(zip(ours, theirs)):
            yield from differences(*pair, f"{path}/{place}", loose=loose)
    elif isinstance(ours, float):
        if not near(ours, theirs):
            yield f"{path}: {ours}, expected {theirs}"
    elif ours != theirs:
        if not (loose and isinstance(ours, str) and near_text(ours, theirs)):
            yield f"{path}: {ours!r}, expected {theirs!r}"


def near_text(ours, theirs):
    same = NUMBER.sub("#", ours).split() == NUMBER.sub("#", theirs).split()
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs))
    return same and all(near(float(mine), float(other)) for mine, other in pairs)


def compare(ours, theirs):
    mine, other = ({**run.results, "configs": None} for run in (ours, theirs))
    mine["config"] = dict(mine["config"])
    yield from differences({**mine, "config": None}, {**other, "config": None}, "results", FREE)
    yield from differences(mine["config"], other["config"], "results/config", FREE_CONFIG)
    for task, config in theirs.results["configs"].items():
        found = ours.results["configs"][task]
        for key in TASK_CONFIG:
            yield from differences(found.get(key), config.get(key), f"results/configs/{task}/{key}")
        metrics = [[metric["metric"] for metric in made["metric_list"]] for made in (found, config)]
        yield from differences(*metrics, f"results/configs/{task}/metric_list")
        yield from differences(found["metadata"]["version"], config["metadata"]["version"], f"results/configs/{task}/version")
    for task, samples in theirs.samples.items():
        yield from differences(ours.samples[task], samples, f"samples/{task}")


def consistent(run):
    """What must hold in any such folder."""
    results = run.results
    if not DATE.fullmatch(run.date):
        yield f"{run.file.name}: not a date as datetime.isoformat() writes it, with - for :"
    if run.folder.name != results["model_name_sanitized"] or sanitize_model_name(results["model_name"]) != run.folder.name:
        yield f"{run.folder}: not named as the model {results['model_name']!r}"
    float(results["total_evaluation_time_seconds"]), float(results["date"]), results["config"]["model_args"]
    for task, samples in run.samples.items():
        hashes = [sample[key] for sample in samples for key in ("doc_hash", "prompt_hash", "target_hash")]
        if results["task_hashes"][task] != hash_string("".join(hashes)):
            yield f"task_hashes/{task}: not the samples'"
        for number, sample in enumerate(samples):
            made = {"doc_hash": json.dumps(sample["doc"], indent=2, ensure_ascii=False), "target_hash": sample["target"],
                    "prompt_hash": sample["arguments"]["gen_args_0"]["arg_0"]}
            for key, text in made.items():
                if sample[key] != hash_string(text):
                    yield f"samples/{task}/{number}/{key}: not the hash of its text"


# The readers of such folders

def tables(results):
    columns = ["results", *(["groups"] if "groups" in results else [])]
    return [make_table(results, column) for column in columns]


def cells(table):
    return [[number(cell.strip()) for cell in line.split("|")] for line in table.splitlines() if not set(line) <= set("|-: ")]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def card(folder):
    """The hub's card of a run as the harness makes it from the files' names and the results."""
    tracker = EvaluationTracker()
    with patch.object(tracker, "api") as api, patch("huggingface_hub.DatasetCard.from_template") as made, \
            patch("huggingface_hub.hf_hub_url", lambda repo_id, filename, **_: str(folder.parent / filename)), \
            TemporaryDirectory() as cache, patch("lm_eval.loggers.evaluation_tracker.load_dataset", cached(cache)):
        api.list_repo_files.return_value = [f"{folder.name}/{file.name}" for file in sorted(folder.iterdir())]
        tracker.recreate_metadata_card()
        return made.call_args.args[0].to_dict()


def cached(cache):
    return lambda *arguments, **more: datasets.load_dataset(*arguments, **more, cache_dir=cache)


def zeno(run):
    """The tables that scripts/zeno_visualize.py uploads."""
    files = [file.as_posix() for file in run.folder.iterdir()]
    results = json.loads(Path(get_latest_filename(get_results_filenames(files))).read_text(encoding="utf-8"))
    for task, config in results["configs"].items():
        name = get_latest_filename([file for file in get_sample_results_filenames(files) if task in Path(file).name])
        with open(name, encoding="utf-8") as lines:
            data = [json.loads(line.strip()) for line in lines]
        shows = any(metric.get("aggregation") == "mean" for metric in config["metric_list"])
        assert config["output_type"] == "multiple_choice" and shows, f"{task}: no metric that is a mean"
        shown = [[row["doc_id"], row["arguments"]["gen_args_0"]["arg_0"], row["target"],
                  ", ".join(str(response[0]) for response in row["filtered_resps"])] for row in data]
        yield task, shown, [[row[metric["metric"]] for metric in config["metric_list"]] for row in data]


def read(ours, theirs):
    for mine, other in zip(tables(ours.results), tables(theirs.results), strict=True):
        say(mine)
        yield from differences(cells(mine), cells(other), "make_table")
    with TemporaryDirectory() as cache:
        for task in theirs.samples:
            paths = [str(run.path(task)) for run in (ours, theirs)]
            mine, other = [datasets.load_dataset("json", data_files=path, cache_dir=cache)["train"] for path in paths]
            if mine.features != other.features or len(mine) != len(other):
                yield f"datasets: {task}: {mine.features}, expected {other.features}"
    if card(ours.folder).keys() != card(theirs.folder).keys():
        yield "the hub's card has other keys"
    if len(list(zeno(ours))) != len(list(zeno(theirs))):
        yield "zeno_visualize.py finds other tasks"


def every(found):
    """The differences, and what a reader dies of."""
    try:
        yield from found
    except Exception as error:
        yield f"{found.__name__}: {error!r}"


def check(folders):
    known = [Run(HOME / name) for name in RUNS]
    failed = False
    for folder in folders:
        ours = Run(folder)
        theirs = [run for run in known if list(run.results["configs"]) == list(ours.results["configs"])]
        if not theirs:
            raise SystemExit(f"{folder}: the harness has not run the tasks {list(ours.results['configs'])}")
        found = [*every(consistent(ours)), *every(compare(ours, theirs[0])), *every(read(ours, theirs[0]))]
        say("\n".join([f"{folder}: {len(found)} differences", *found]))
        failed |= bool(found)
    sys.exit(failed)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", nargs="*")
    arguments.add_argument("--check", type=Path, nargs="+", metavar="DIR")
    arguments = arguments.parse_args()
    if arguments.check:
        check(arguments.check)
    else:
        make(arguments.run or RUNS)


if __name__ == "__main__":
    main()
