"""The harness's own tasks `arc_challenge` and `hellaswag`, over files of this machine instead of the hub's."""
import json
import re
from pathlib import Path

from common import arc_rows

import lm_eval
from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.tasks.hellaswag.utils import preprocess, process_docs

SEED = 1234
FOLDER = Path(lm_eval.__file__).parent / "tasks"


def task(config, **splits):
    data = DatasetDict({name: rows if isinstance(rows, Dataset) else Dataset.from_list(rows) for name, rows in splits.items()})
    made = ConfigurableTask(config=config | {"custom_dataset": lambda **_: data})
    made.set_fewshot_seed(SEED)
    return made


def arc_task(train, test):
    """`arc_challenge` with these rows (`arc_rows`) as the pool of shots and as the test."""
    config = load_yaml(FOLDER / "arc/arc_easy.yaml") | load_yaml(FOLDER / "arc/arc_challenge.yaml")
    config = {key: value for key, value in config.items() if key not in ("include", "tag")}
    return task(config, train=train, validation=test, test=test)


def hellaswag_rows(path):
    """The rows, with labels as the Hugging Face data set Rowan/hellaswag has them, which the task reads."""
    with open(path, encoding="utf-8") as lines:
        return [(row := json.loads(line)) | {"label": str(row["label"])} for line in lines]


def stripped(row):
    """A row that has been prepared already: it has lost a capital, and may have kept brackets."""
    def clean(text):
        return preprocess(text) if "[" in text else text

    head, between, tail = re.fullmatch(r"(.*[.!?]|)(\s*)(.*?)", row["ctx"], re.DOTALL).groups()
    query = f"{row['activity_label']}: {head}{between}{tail.capitalize()}"
    return {"query": clean(query), "choices": [clean(ending) for ending in row["endings"]]}


def hellaswag_documents(rows):
    """The task's documents. Made beforehand, for shots and test may differ in their columns."""
    data = Dataset.from_list(rows)
    data = process_docs(data) if "ctx_a" in rows[0] else data.map(stripped)
    ids = [f"{row['source_id']}#{row['ind']}" if "ind" in row else f"row#{row['row']}" for row in rows]
    return data.select_columns(["query", "choices", "label"]).add_column("id", ids)


def hellaswag_task(train, test):
    """`hellaswag` with these rows (`hellaswag_rows`) as the pool of shots and as the test."""
    config = load_yaml(FOLDER / "hellaswag/hellaswag.yaml") | {"process_docs": None}
    return task(config, train=hellaswag_documents(train), validation=hellaswag_documents(test))


def arc(folder):
    return arc_task(*(list(arc_rows(Path(folder) / f"ARC-Challenge-{split}.jsonl")) for split in ("Train", "Test")))


def arc_format(folder):
    return arc_task(*(list(arc_rows(Path(folder) / f"{split}.jsonl")) for split in ("train", "test")))


def hellaswag(folder):
    files = (sorted(Path(folder).glob(f"hellaswag_{split}*.jsonl"))[0] for split in ("train", "val"))
    return hellaswag_task(*map(hellaswag_rows, files))


TASKS = {"arc": arc, "arc-format": arc_format, "hellaswag": hellaswag}


def prompts(made, shots):
    """What the harness would score: each question's id, its right choice, the context and the continuations."""
    for doc in made.eval_docs:
        context = made.fewshot_context(doc, num_fewshot=shots)
        requests = made.construct_requests(doc, context, metadata=(None, None, None))
        assert {request.args[0] for request in requests} == {context}
        yield {"id": doc["id"], "gold": made.doc_to_target(doc), "context": context,
               "continuations": [request.args[1] for request in requests]}
