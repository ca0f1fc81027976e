"""Random rows in JSON, as the harness's library for data sets has them and as likra has them: what a template prints of a column.

    python xtask/peers/json_rows.py target/debug/likra [SEED [FILES]]

Lists hold no null: pyarrow 26.0.1 reads `[null, 0.5]` as 0.5 and a number that is nowhere in the file.
"""
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import datasets
from jinja2 import Environment, StrictUndefined

TASK = """task: rows
output_type: multiple_choice
test_split: test
doc_to_text: "<{{a}}>"
doc_to_choice: [x, y]
doc_to_target: 0
"""
TEXTS = ["x", "y z", "12", "007", "true", "null", "[1, 2]", '{"k": 1}', "é", "2020-01-01", "1.50", "", " 3 ", "it's"]
TIMES = ["2020-01-01", "2021-12-31 10:00:00", "1999-01-01T01:02:03Z"]


def shape(draw, depth=0):
    """What a column holds: a kind, the shapes in it, how often a key is there, and how often it is null."""
    null, kind = draw.choice([0, 0, 0.2]), draw.choice("sifbd" + ("lmxlm" if depth < 3 else ""))
    if kind == "m":
        return kind, {key: shape(draw, depth + 1) for key in "ABC"[:draw.randint(1, 3)]}, draw.choice([1, 1, 0.8]), null
    if kind in "lx":
        return kind, [shape(draw, depth + 1) for _ in range(1 + (kind == "x"))], 1, null
    return kind, None, 1, null


def value(draw, of):
    kind, inside, there, null = of
    if draw.random() < null:
        return None
    match kind:
        case "s": return draw.choice(TEXTS)
        case "i": return draw.randint(-3, 1000)
        case "f": return draw.choice([0.5, 2.0, 1e-5, 123456.789, 1e20])
        case "b": return draw.random() < 0.5
        case "d": return draw.choice(TIMES)
        case "x": return value(draw, draw.choice(inside))
        case "m": return {key: value(draw, one) for key, one in inside.items() if draw.random() < there}
    items = (value(draw, inside[0]) for _ in range(draw.randint(0, 3)))
    return [item for item in items if item is not None]


def likra(program, folder):
    command = [program, "prompts", folder / "task.yaml", "--data", folder]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [row["context"] for row in map(json.loads, lines) if row["candidate"] == 0]


def library(path, folder):
    rows = datasets.load_dataset("json", data_files={"test": str(path)}, cache_dir=str(folder / "cache"))["test"]
    template = Environment(undefined=StrictUndefined).from_string("<{{a}}>")
    return [template.render(**row) for row in rows]


def main(program, seed=1, files=200):
    datasets.disable_progress_bars()
    draw = random.Random(int(seed))
    for number in range(int(files)):
        with tempfile.TemporaryDirectory() as folder:
            folder, of = Path(folder), shape(draw)
            rows = [json.dumps({"a": value(draw, of), "id": place}, ensure_ascii=False) for place in range(draw.randint(1, 5))]
            path = folder / draw.choice(["test.jsonl", "test.json"])
            path.write_text("\n".join(rows) if path.suffix == ".jsonl" else f"[{', '.join(rows)}]", encoding="utf-8")
            (folder / "task.yaml").write_text(TASK)
            found, expected = likra(program, folder), library(path, folder)
            assert found == expected, f"file {number}: {rows}\n found {found}\n expected {expected}"
    print(f"{files} files: the same")


if __name__ == "__main__":
    main(*sys.argv[1:])
