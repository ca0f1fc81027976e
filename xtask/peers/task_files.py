"""Does likra read the harness's own task files as the harness does?

    python task_files.py LIKRA [--out FILE.json] [--limit-tasks N] [--jobs J] [--keep DIR]

Takes every multiple_choice task file that lm_eval brings, as it stands. Files that need Python are to be refused, with
the key that needs it. The others are grouped by what decides their prompts. For each group the script makes rows that
fit the templates, with awkward texts, and asks both sides for every context, continuation and right answer:

- each file with 0 shots; once a group also with 2 shots, and with the file's own number;
- once a group, where the templates allow it, with other rows: the right answer as a text and not an index, numbers and
  nulls in place of texts.

The harness gets the file's resolved settings. Only its data set is replaced by the same rows (`dataset_path: json`), and
`metric_list` is left out: no prompt depends on it. LIKRA is the program, which runs as

    LIKRA prompts PATH.yaml --data DIR [--num-shots K]

and prints a JSON line for each row and candidate: task, doc, candidate, context, continuation, gold. Needs no network.
`--keep DIR` leaves in DIR the rows, what the harness made of them, and groups.json, which says whose they are. Fails if
anything differs, if a file that needs no function is refused, or if one that needs some is accepted.
"""
import argparse
import json
import logging
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

os.environ |= {"TQDM_DISABLE": "1", "HF_DATASETS_OFFLINE": "1"}

from common import say, versions

import datasets
import lm_eval
from jinja2 import TemplateError, nodes
from lm_eval import utils
from lm_eval.api.task import ConfigurableTask
from lm_eval.config.task import TaskConfig
from lm_eval.tasks._index import Kind, TaskIndex

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
datasets.disable_progress_bars()
# The harness compiles a template anew for each row.
utils.env.from_string = lru_cache(maxsize=64)(utils.env.from_string)

SEED = 1234
FOLDER = Path(lm_eval.__file__).parent / "tasks"
SPLITS = ["training_split", "validation_split", "test_split", "fewshot_split"]
TEMPLATES = ["doc_to_text", "doc_to_choice", "doc_to_target", "description", "gen_prefix"]
DECIDING = [*TEMPLATES, *SPLITS, "target_delimiter", "fewshot_delimiter", "fewshot_config", "num_fewshot", "use_prompt"]
# What a refusal may name.
KEYS = {key.name for key in fields(TaskConfig)} | {"include", "class", "group"}

AWKWARD = [
    "", " a space on both sides ", "\ttabs\t", "It's \"quoted\"", "'single'", "\"double\"", "'''three''' or \"\"\"three\"\"\"",
    "naïve café, Ærø", "日本語の文。", "العربية؟", "llama 🦙, family 👩‍👩‍👧", "two\nlines", "\nlines around\n\n", "{braces} }",
    "back\\slash \\n \\x41 \\", "{{ 7 * 7 }} {% raw %} {# no #}", "[1, not a list]", "42", "007", "-1", "#", "None",
    "\u00a0no-break space\u00a0", "\u3000wide space\u3000", "soft\u00adhyphen\u200b", "<b>&amp;</b>", "50% of $3 \\1",
    "ßéTA İŞ ΟΔΟΣ", "ǆ Ǆ", "cr\r\nlf", "line\u2028separator\u0085", "\x1funit separator\x1c", "e\u0301 combining",
    "a  b   c", "Ends with a question?", "a: b, c; d", "long " * 60,
]
TAME = ["one", "two words", "three more words", "Four", "five of them", "six"]
NUMBERS = {"int": [0, 1, -7, 12345678901, 2024], "float": [0.5, -3.0, 1e-05, 1e16, 0.1], "bool": [True, False]}


@dataclass
class Column:
    """What the templates ask of a value."""
    fields: dict = field(default_factory=dict)
    item: "Column" = None
    least: int = 0                              # entries that a list needs
    values: list = None                         # what it may be,
    open: bool = False                          # or something else
    among: tuple = None                         # the path of a list that holds it
    words: list = field(default_factory=list)   # what the text is searched for
    pad: str = ""                               # the strip method that it goes through
    text: bool = False
    number: bool = False
    digits: bool = False                        # a number, which a text may hold
    slice: bool = False                         # a number that cuts a text
    labels: bool = False                        # a list that is searched
    target: bool = False                        # the right answer, as an index or a text

    def child(self, name):
        return self.fields.setdefault(name, Column())

    def element(self, place=0):
        self.item = self.item or Column()
        self.least = max(self.least, place + 1, -place)
        return self.item

    def may(self, values, still_open=False):
        self.values = [*(self.values or []), *(value for value in values if value not in (self.values or []))]
        self.open |= still_open

    def chosen(self):
        return self.target or self.number or self.among is not None or self.values is not None

    def free(self):
        return not (self.chosen() or self.fields or self.item or self.text or self.words)


def constant(node):
    try:
        return node.as_const()
    except (nodes.Impossible, AttributeError):
        return None


def path(node):
    """`choices.label` as a path of names; None for anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    name = node.attr if isinstance(node, nodes.Getattr) else constant(getattr(node, "arg", None))
    before = path(node.node) if isinstance(node, (nodes.Getattr, nodes.Getitem)) else None
    return (*before, name) if before and isinstance(name, str) else None


class Reader:
    """Walks through templates and collects the columns that they use."""

    def __init__(self):
        self.root, self.local, self.seen = Column(), {}, []

    def read(self, template, texts=False):
        """With `texts`, what the template shows has to be text: candidates are."""
        self.local, self.seen = {}, []
        self.visit(utils.env.parse(template))
        for column in self.seen if texts else []:
            column.text |= column.free()

    def visit(self, node):
        kind = type(node).__name__
        if kind in ("Name", "Getattr", "Getitem"):
            self.column(node)
        elif isinstance(node, nodes.BinExpr) and kind not in ("And", "Or"):
            self.arithmetic(node)
        elif not getattr(self, f"visit_{kind.lower()}", lambda node: False)(node):
            for child in node.iter_child_nodes():
                self.visit(child)

    def column(self, node):
        """The column of a name, an attribute or an entry; anything else is visited."""
        found = None
        if isinstance(node, nodes.Name) and node.name not in utils.env.globals:
            found = self.local.get(node.name) or self.root.child(node.name)
        elif isinstance(node, nodes.Getattr):
            found = (before := self.column(node.node)) and before.child(node.attr)
        elif isinstance(node, nodes.Getitem):
            found = self.entry(node)
        elif not isinstance(node, nodes.Name):
            self.visit(node)
        self.seen += [found] if found else []
        return found

    def entry(self, node):
        """`['B', 'A'][label]`, `sentence[start:end]`, `choices['text']`, `choices[0]`, `choices[i]`."""
        options, place = constant(node.node), constant(node.arg)
        if options is not None:
            if index := self.column(node.arg):
                index.may(range(len(options)))
        elif before := self.column(node.node):
            if isinstance(node.arg, nodes.Slice):
                before.text = True
                for end in filter(None, (node.arg.start, node.arg.stop)):
                    if number := self.column(end):
                        number.number = number.slice = True
            elif isinstance(place, str):
                return before.child(place)
            elif isinstance(place, int):
                return before.element(place)
            else:
                self.visit(node.arg)
                return before.element()
        return None

    def arithmetic(self, node):
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if column := self.column(side):
                column.number |= isinstance(constant(other), int)
                column.text |= isinstance(node, nodes.Add) and not column.number

    def visit_assign(self, node):
        self.visit(node.node)
        self.local[node.target.name] = Column()
        return True

    def visit_for(self, node):
        over = self.column(node.iter)
        self.local[node.target.name] = over.element() if over else Column()
        for child in node.body:
            self.visit(child)
        return True

    def visit_compare(self, node):
        within = node.ops[0].op in ("in", "notin")
        left, right = constant(node.expr), constant(node.ops[0].expr)
        if within and isinstance(left, str) and (column := self.column(node.ops[0].expr)):
            column.words.append(left)
        elif right is not None and (column := self.column(node.expr)):
            column.may(right if within else [right], still_open=True)
        else:
            return False
        return True

    def visit_filter(self, node):
        column = self.column(node.node)
        names = {argument.key: constant(argument.value) for argument in node.kwargs}
        if column and node.name in ("int", "float"):
            column.number = column.digits = True
        elif column and node.name in ("length", "count", "join", "list", "first", "last"):
            column.element()
        elif column and node.name == "map" and "attribute" in names:
            column.element().child(names["attribute"])
        return True

    def visit_call(self, node):
        if not isinstance(node.node, nodes.Getattr):
            return False
        method, options = node.node.attr, constant(node.node.node)
        column = self.column(node.node.node)
        for argument in node.args:
            if method == "index":
                self.searched(argument, options, column, path(node.node.node))
            else:
                self.visit(argument)
        if column and method == "index":
            column.element()
            column.labels = True
        elif column:
            column.text = True
            column.pad = method if "strip" in method else column.pad
            column.words += [word for word in map(constant, node.args[:1]) if word and "strip" not in method]
        return True

    def searched(self, node, options, column, where):
        """`['A', 'B'].index(answer)`, `choices.label.index(answer.strip())`, `['xA', 'xB'].index('x' + answer)`."""
        before = constant(node.left) if isinstance(node, nodes.Add) else None
        if before is not None:
            node, options = node.right, [option.removeprefix(before) for option in options or []]
        found = self.column(node)
        if isinstance(node, nodes.Call):
            found = self.column(node.node.node)
        if found and options is not None:
            found.may(options)
        elif found and column:
            found.among = where


class Rows:
    """Makes rows that fit a group's templates."""

    def __init__(self, config, other):
        """`other`: right answers as texts, numbers and nulls in place of texts."""
        self.config, self.other = config, other
        self.random = random.Random(json.dumps([config.get(key) for key in TEMPLATES]))
        self.reader, self.tamed, self.why = Reader(), 0, None
        for key in TEMPLATES:
            self.read(key, config.get(key))
        root = self.reader.root
        self.numbers = {name: self.random.choice(list(NUMBERS)) for name, column in root.fields.items() if column.free()}
        self.trial = ConfigurableTask.__new__(ConfigurableTask)
        self.trial._config = TaskConfig(**{key: value for key, value in config.items() if key in KEYS})
        self.trial.prompt, self.trial.features = None, list(root.fields)

    def read(self, key, template):
        root, choice = self.reader.root, key == "doc_to_choice"
        if not isinstance(template, str):
            return
        parsed = utils.env.parse(template)
        shown = [node for output in parsed.find_all(nodes.Output) for node in output.nodes
                 if not isinstance(node, nodes.TemplateData) or node.data.strip()]
        single = shown[0] if len(shown) == 1 else None
        if key.startswith("doc_to_") and template.isidentifier():
            column = root.child(template)
        else:
            self.reader.read(template, texts=choice)
            column = None if isinstance(single, nodes.TemplateData) else self.whole(single)
        if column and choice:
            column.element().text = True
        elif column and key == "doc_to_text" and template.isidentifier():
            column.text = True
        elif column and key == "doc_to_target":
            column.target = not column.chosen()

    def whole(self, node):
        """The column that a template shows and nothing else, be it stripped."""
        if isinstance(node, nodes.Call) and "strip" in getattr(node.node, "attr", ""):
            node = node.node.node
        found, names = self.reader.root, path(node) if node is not None else None
        for name in names or []:
            found = found.child(name)
        return found if names else None

    def differs(self):
        columns = self.reader.root.fields.values()
        return any(column.free() or column.digits or column.target and not column.pad for column in columns)

    def row(self, number):
        """Draws until the harness can read the row; at last with tame texts."""
        for attempt in range(60):
            self.texts = AWKWARD if attempt < 40 else TAME
            try:
                row = self.draw(number)
                self.check(row)
            except (TemplateError, SyntaxError, ValueError, TypeError, IndexError, KeyError, AssertionError) as error:
                self.why = told(error)
                continue
            self.tamed += attempt >= 40
            return {"row": number, **row}
        return None

    def draw(self, number):
        columns = self.reader.root.fields
        self.count, row = self.random.choice([3, 4, 4, 5]), {}
        # A column's type shows in the first row.
        self.nulls = [None] if number else []
        for name, column in columns.items():
            if not column.chosen():
                row[name] = self.value(column, name)
        try:
            choices = self.trial.doc_to_choice(row)
        except (TemplateError, SyntaxError, ValueError, KeyError):
            choices = []
        for name, column in columns.items():
            if column.chosen():
                row[name] = self.choose(column, row, choices)
        return {name: row[name] for name in columns}

    def value(self, column, name=None):
        if column.fields:
            return {key: self.value(below) for key, below in column.fields.items()}
        if column.item:
            count = max(column.least, self.count)
            if column.labels:
                return list(self.random.choice(["ABCDEFGHIJ", "123456789"])[:count])
            return [self.value(column.item) for _ in range(count)]
        if self.other and name in self.numbers and column.free():
            return self.random.choice([*NUMBERS[self.numbers[name]], *self.nulls])
        text = self.random.choice(self.texts)
        for word in column.words:
            text = self.random.choice([text, f"{text} {word}{text}", word])
        return text

    def choose(self, column, row, choices):
        """A value that depends on the candidates."""
        draw, count = self.random, max(1, len(choices))
        if column.among:
            value = row
            for name in column.among:
                value = value[name]
            value = draw.choice(value)
        elif column.values is not None:
            value = draw.choice(column.values + ([0 if isinstance(column.values[0], int) else "else"] if column.open else []))
        elif column.number:
            value = draw.randint(-3, 12) if column.slice else draw.randint(1, count)
            value = str(value) if column.digits and not self.other else value
        elif self.other or column.pad:
            value = draw.choice([*choices, *choices, "none of them", ""])
        else:
            value = draw.choice([*range(count), *range(count), -1])
        if column.pad and isinstance(value, str):
            before, after = "" if column.pad == "rstrip" else " ", "" if column.pad == "lstrip" else "\n "
            value = draw.choice([value, before + value + after])
        return value

    def check(self, row):
        text, choices, target = self.trial.doc_to_text(row), self.trial.doc_to_choice(row), self.trial.doc_to_target(row)
        description = self.trial.resolve_field(row, self.config.get("description"))
        assert isinstance(text, str) and isinstance(description, (str, type(None))), "the text is no text"
        assert choices and isinstance(choices, list) and all(choice and isinstance(choice, str) for choice in choices), \
            "candidates are no texts"
        assert isinstance(target, str) or isinstance(target, int) and target < len(choices), "no right answer"

    def splits(self):
        """Rows of each split that the file names, or None."""
        config, shots = self.config, self.config.get("fewshot_config") or {}
        named = list(dict.fromkeys(filter(None, [*(config.get(split) for split in SPLITS), shots.get("split")])))
        asked = config.get("test_split") or config.get("validation_split")
        pool = shots.get("split") or config.get("fewshot_split")
        if not pool and not shots.get("samples"):
            pool = next(filter(None, (config.get(split) for split in SPLITS[:3])))
        # Python draws in another way from more than 21 rows.
        large = max(8, (config.get("num_fewshot") or 0) + 2) if asked == pool or self.random.random() < 0.5 else 30
        made = {}
        for split in named:
            size = large if split == pool else 6
            made[split] = [self.row(number) for number in range(size)]
            if None in made[split]:
                return None
        if pool:
            # Rows that a question must or must not be kept apart from: its own in the pool, and one that is there twice.
            made[pool][1] = made[asked][2]
            made[pool][-1] = made[pool][3]
        if pool != asked and not self.other:
            for name in (name for name, column in self.reader.root.fields.items() if column.target and not column.pad):
                made[asked][-1][name] = 99
        return made


@dataclass
class Group:
    config: dict
    tasks: list
    folder: Path

    def cases(self):
        """Writes rows and the harness's prompts. Returns (folder, shots) of what there is to ask; rows that had to be
        tamed; what could not be made and why."""
        found, tamed, failed = [], 0, []
        for kind in ("rows", "other"):
            folder = self.folder / kind
            try:
                rows = Rows(self.config, kind == "other")
                if kind == "other" and (failed or not rows.differs()):
                    continue
                splits = rows.splits()
                if splits is None:
                    raise ValueError(rows.why)
                write_rows(folder, splits)
                self.expect(folder, splits, found, failed)
                tamed += rows.tamed
            except Exception as error:  # Whatever the harness throws.
                failed.append([kind, 0, told(error)])
        return found, tamed, failed

    def expect(self, folder, splits, found, failed):
        files = {split: str(folder / f"{split}.jsonl") for split in splits}
        config = {key: value for key, value in self.config.items() if key not in ("tag", "task_list", "metric_list")}
        config |= {"dataset_path": "json", "dataset_name": None,
                   "dataset_kwargs": {"data_files": files, "cache_dir": str(folder / "cache")}}
        task = ConfigurableTask(config=config)
        own = self.config.get("num_fewshot")
        for shots in (0,) if own == 0 else (0, 2, None) if own else (0, 2):
            task.set_config("num_fewshot", own if shots is None else shots)
            task.set_fewshot_seed(SEED)
            try:
                task.build_all_requests()
                (folder / f"{shots}.json").write_text(json.dumps(prompts(task)))
                found.append((folder, shots))
            except Exception as error:
                failed.append([folder.name, "own" if shots is None else shots, told(error)])
        shutil.rmtree(folder / "cache", ignore_errors=True)


def told(error):
    return f"{type(error).__name__}: {str(error)[:300]}"


def prompts(task):
    """[doc, candidate, context, continuation, is it right], from the harness's requests and its own scoring."""
    found, task._metric_fn_list = [], {"acc": None}
    for request in task.instances:
        lone = [(-float(place != request.idx), False) for place in range(len(task.doc_to_choice(request.doc)))]
        right = task.process_results(request.doc, lone)["acc"] == 1.0
        found.append([request.doc_id, request.idx, *request.args, right])
    return sorted(found)


def write_rows(folder, splits):
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="")


def functions(config):
    """Keys that hold a `!function`, but for a metric's aggregation. The index keeps them as paths."""
    def within(value, key=None):
        if isinstance(value, str):
            return value.startswith(f"{FOLDER}/") and key != "aggregation"
        if isinstance(value, dict):
            return any(within(below, name) for name, below in value.items())
        return isinstance(value, list) and any(map(within, value))
    return [key for key, value in config.items() if within(value)]


def ask(likra, task, file, folder, shots):
    """LIKRA's prompts like `prompts`, or the key that it refuses, with its words."""
    words = [likra, "prompts", file, "--data", folder] + ([] if shots is None else ["--num-shots", shots])
    try:
        ran = subprocess.run(list(map(str, words)), capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None, "other", "no answer in 120 seconds"
    said = ran.stderr.decode(errors="replace")
    if ran.returncode:
        named = [key for key in re.findall(r": ([A-Za-z_]+)(?:[.\[][\w.\[\]]*)?: ", said) if key in KEYS]
        # A signal, or a panic's 101, is no refusal.
        return None, named[0] if named and 0 < ran.returncode < 101 else "other", said[-500:]
    try:
        lines = [json.loads(line) for line in ran.stdout.decode().split("\n") if line]
        found = [[line[key] for key in ("doc", "candidate", "context", "continuation", "gold")] for line in lines]
        return sorted(found), {line["task"] for line in lines} - {task}, said
    except (ValueError, KeyError, TypeError) as error:
        return [], set(), f"unreadable: {type(error).__name__}: {error}"


OWN = "with the question's own answer in the harness, and so different"


def own_shot(alone, answer, harness):
    """Does the harness show the question, which `alone` ends with, solved among its shots? Likra takes another one."""
    if not alone:
        return answer in harness
    size = next((size for size, (a, b) in enumerate(zip(alone[::-1], harness[::-1])) if a != b), min(len(alone), len(harness)))
    text = harness[len(harness) - size:].lstrip()
    return bool(text) and text in harness[: len(harness) - size]


def difference(theirs, found, others, said, alone):
    """None if all is equal, else what is not."""
    if found is None:
        return {"what": "refused", "said": said}
    if others:
        return {"what": "task", "ours": sorted(map(str, others))}
    for theirs_one, ours in zip(theirs, found):
        for name, a, b in zip(("doc", "candidate", "context", "continuation", "gold"), theirs_one, ours):
            if a != b or type(a) is not type(b):
                if name == "context" and own_shot(*alone[tuple(theirs_one[:2])], a):
                    continue
                return {"what": name, "doc": theirs_one[0], "candidate": theirs_one[1], "harness": a, "ours": b}
    if len(theirs) != len(found):
        return {"what": "lines", "harness": len(theirs), "ours": len(found), "said": said}
    return None


def compare(likra, entry, asked, nothing):
    """What becomes of one task: ("refused", key, words), or ("accepted", pairs compared by shots, difference)."""
    pairs, wrong = Counter(), None
    for number, (folder, shots) in enumerate(asked or [(nothing, 0)]):
        found, others, said = ask(likra, entry.name, entry.yaml_path, folder, shots)
        if number == 0 and found is None:
            return "refused", others, said
        if asked and not wrong:
            theirs = json.loads((folder / f"{shots}.json").read_text())
            pairs["own" if shots is None else shots] += len(theirs)
            zero = json.loads((folder / "0.json").read_text())
            answers = {doc: continuation for doc, _, _, continuation, right in zero if right}
            alone = {(doc, candidate): (context, answers.get(doc, "")) for doc, candidate, context, *_ in zero}
            own = sum(one[2] != other[2] and own_shot(*alone[one[0], one[1]], one[2]) for one, other in zip(theirs, found or []))
            pairs[OWN] += own
            if wrong := difference(theirs, found, others, said, alone):
                wrong = {"task": entry.name, "rows": folder.name, "shots": shots, **wrong}
    return "accepted", pairs, wrong


def tasks_of(limit):
    entries = TaskIndex.build([FOLDER]).values()
    found = [entry for entry in entries if entry.kind == Kind.TASK and entry.cfg.get("output_type") == "multiple_choice"]
    limit = min(limit or len(found), len(found))
    return [found[number * len(found) // limit] for number in range(limit)]


def groups_of(tasks, work):
    groups = {}
    for entry in tasks:
        if not functions(entry.cfg):
            key = json.dumps([entry.cfg.get(key) for key in DECIDING])
            group = groups.setdefault(key, Group(entry.cfg, [], work / f"group-{len(groups)}"))
            group.tasks.append(entry.name)
    return list(groups.values())


def asked_of(groups, cases):
    """What each task is asked: the first rows with 0 shots; the first of a group also everything else."""
    asked = {}
    for group, (found, _, _) in zip(groups, cases):
        for folder, shots in found:
            for name in group.tasks if (folder.name, shots) == ("rows", 0) else group.tasks[:1]:
                asked.setdefault(name, []).append((folder, shots))
    return asked


def summary(tasks, groups, cases, asked, outcomes):
    refused, pairs, examples = Counter(), Counter(), {}
    counts = Counter({"accepted": 0, "refused": 0, "different": 0})

    def note(kind, example):
        counts[kind] += 1
        examples.setdefault(kind, []).append(example)

    for entry, (verdict, first, second) in zip(tasks, outcomes):
        counts[verdict] += 1
        needs = functions(entry.cfg)
        if verdict == "refused":
            refused[first] += 1
            if first == "other":
                note("refused, naming no key", {"task": entry.name, "said": second})
            elif first not in needs:
                note("refused, naming a key that holds no function", {"task": entry.name, "needs": needs, "said": second})
        elif entry.name not in asked:
            note("accepted, not compared", {"task": entry.name, "needs": needs})
        else:
            pairs += first
            if second:
                note("different", second)
    counts["equal"] = counts["accepted"] - counts["different"] - counts["accepted, not compared"]
    failed = [{"task": group.tasks[0], "tasks": len(group.tasks), "rows": rows, "shots": shots, "why": why}
              for group, (_, _, failed) in zip(groups, cases) for rows, shots, why in failed]
    made = [{folder.name for folder, _ in found} for found, _, _ in cases]
    templates = Counter(json.dumps([group.config.get(key) for key in TEMPLATES[:3]]) for group in groups)
    return {
        "tasks": len(tasks), **counts, "refused by key": dict(refused.most_common()),
        "different in": dict(Counter(example["what"] for example in examples.get("different", []))),
        "renderings compared": pairs.total() - pairs[OWN], "by shots": {str(shots): count for shots, count in pairs.items()},
        "groups": len(groups), "groups with rows": sum("rows" in names for names in made),
        "groups with other rows": sum("other" in names for names in made), "distinct templates": len(templates),
        "rows with tame texts": sum(tamed for _, tamed, _ in cases), "not made": failed,
        "examples": {kind: found[:20] for kind, found in examples.items()}, "versions": versions(),
    }


def main():
    arguments = argparse.ArgumentParser(description="Compares likra with the harness over the harness's task files.")
    arguments.add_argument("likra", type=Path)
    arguments.add_argument("--out", type=Path, metavar="FILE.json")
    arguments.add_argument("--limit-tasks", type=int, metavar="N", help="so many, spread over all")
    arguments.add_argument("--jobs", type=int, default=2, metavar="J", help="processes at a time")
    arguments.add_argument("--keep", type=Path, metavar="DIR", help="a new folder for the rows and the harness's prompts")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.keep or Path(temporary) / "work").resolve()
        found = run(arguments, work)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for key in ("different", "refused, naming no key", "refused, naming a key that holds no function"):
        for example in found["examples"].get(key, [])[:3]:
            say(f"{key}: {json.dumps(example, ensure_ascii=False)}")
    for key, value in found.items():
        if key != "examples":
            say(f"{key}: {value}")
    sys.exit(bool(found["examples"]))


def run(arguments, work):
    started, nothing = time.monotonic(), work / "nothing"
    nothing.mkdir(parents=True)
    tasks = tasks_of(arguments.limit_tasks)
    groups = groups_of(tasks, work)
    say(f"{len(tasks)} tasks; {sum(len(group.tasks) for group in groups)} need no function, in {len(groups)} groups")
    with get_context("fork").Pool(arguments.jobs) as pool:
        cases = pool.map(Group.cases, groups, chunksize=4)
    (work / "groups.json").write_text(json.dumps({group.folder.name: group.tasks for group in groups}) + "\n")
    asked = asked_of(groups, cases)
    made = time.monotonic()
    say(f"rows and the harness's prompts are made, after {made - started:.0f} seconds")
    with ThreadPoolExecutor(arguments.jobs) as threads:
        likra = arguments.likra.resolve()
        outcomes = list(threads.map(lambda entry: compare(likra, entry, asked.get(entry.name, []), nothing), tasks))
    seconds = {"rows and harness": round(made - started), "likra": round(time.monotonic() - made)}
    return summary(tasks, groups, cases, asked, outcomes) | {"seconds": seconds}


if __name__ == "__main__":
    main()
