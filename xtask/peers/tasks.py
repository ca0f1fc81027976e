"""The harness's own tasks `arc_challenge` and `hellaswag`, over files of this machine instead of the hub's."""
import json
from pathlib import Path

from common import arc_rows

import lm_eval
import yaml
from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask

SEED = 1234


class Loader(yaml.SafeLoader):
    """Reads `!function` as its text: what it names is imported here by hand."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def settings(*files):
    config = {}
    for file in files:
        text = (Path(lm_eval.__file__).parent / "tasks" / file).read_text()
        config |= yaml.load(text, Loader)
    return {key: value for key, value in config.items() if key not in ("include", "tag")}


def task(config, **splits):
    data = DatasetDict({name: Dataset.from_list(rows) for name, rows in splits.items()})
    made = ConfigurableTask(config=config | {"custom_dataset": lambda **_: data})
    made.set_fewshot_seed(SEED)
    return made


def arc(folder):
    train, test = (list(arc_rows(Path(folder) / f"ARC-Challenge-{split}.jsonl")) for split in ("Train", "Test"))
    return task(settings("arc/arc_easy.yaml", "arc/arc_challenge.yaml"), train=train, validation=test, test=test)


def hellaswag_rows(path):
    """A row's id as the project names it, and its fields in one schema."""
    with open(path, encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            name = f"{row['source_id']}#{row['ind']}" if "ind" in row else f"row#{row['row']}"
            row = {key: row.get(key, "") for key in ("activity_label", "ctx_a", "ctx_b", "ctx", "endings", "label")}
            yield row | {"id": name, "label": str(row["label"])}


def process(rows):
    """The harness's own clean-up; a stripped row is clean, but has lost the capital of its last part."""
    from lm_eval.tasks.hellaswag.utils import process_docs

    def stripped(row):
        if row["ctx_a"]:
            return row
        end = max(row["ctx"].rfind(mark) for mark in ".!?") + 1
        last = row["ctx"][end:].lstrip()
        context = row["ctx"][:len(row["ctx"]) - len(last)] + last.capitalize()
        return row | {"query": f"{row['activity_label']}: {context}", "choices": row["endings"], "gold": int(row["label"])}

    return process_docs(rows).map(stripped)


def hellaswag(folder):
    train, test = (sorted(Path(folder).glob(f"hellaswag_{split}*.jsonl"))[0] for split in ("train", "val"))
    config = settings("hellaswag/hellaswag.yaml") | {"process_docs": process}
    return task(config, train=list(hellaswag_rows(train)), validation=list(hellaswag_rows(test)))


TASKS = {"arc": arc, "hellaswag": hellaswag}


def documents(made):
    return made.test_docs() if made.has_test_docs() else made.validation_docs()


def prompts(made, shots):
    """Each question's id, and the texts that the harness would score."""
    for doc in documents(made):
        context = made.fewshot_context(doc, num_fewshot=shots)
        requests = made.construct_requests(doc, context, metadata=(None, None, None))
        assert {request.args[0] for request in requests} == {context}
        yield doc["id"], context, [request.args[1] for request in requests]
