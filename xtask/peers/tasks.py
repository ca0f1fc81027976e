"""The harness's own task `arc_challenge`, over files of this machine instead of the hub's."""
from pathlib import Path

from common import arc_rows

import lm_eval
from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

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


def arc(folder):
    return arc_task(*(list(arc_rows(Path(folder) / f"ARC-Challenge-{split}.jsonl")) for split in ("Train", "Test")))


def arc_format(folder):
    return arc_task(*(list(arc_rows(Path(folder) / f"{split}.jsonl")) for split in ("train", "test")))


TASKS = {"arc": arc, "arc_challenge": arc_format}
