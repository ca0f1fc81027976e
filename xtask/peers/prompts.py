r"""What lm-evaluation-harness asks in the tasks that the program carries: fixtures/tasks/*.json.

    python prompts.py rows SHARED ROWS                               # benchmark files -> rows as the hub has them
    python prompts.py make ROWS ../../fixtures/tasks/prompts.json    # digests over all of them, first prompts
    python prompts.py small ../../fixtures/tasks/rows                # the made-up rows below, in the same layout
    python prompts.py make ../../fixtures/tasks/rows ../../fixtures/tasks/small.json --every

ROWS has ROWS/TASK/SPLIT.jsonl. `make` loads the harness's own task of that name, changes nothing but where its rows come
from, and builds all requests as a run without limit builds them, with 0 and 5 shots and the default seed.

Each record has `task`, `shots`, `docs`, `candidates` (all of them), `sha256` and the candidates of the first row
(`first`) or of every row (`prompts`, with --every) as [context, continuation, right]. The digest is over, for every
candidate in order, context + "\0" + continuation + "\0" + ("1" if it is right, else "0") + "\n" in UTF-8.
"""
import argparse
import csv
import hashlib
import json
import lzma
import os
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from common import arc_rows, say

SHOTS = (0, 5)


# Rows of benchmarks

def lines(path):
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def stem(query):
    """The question in a prompt of OLMES."""
    assert query.startswith("Question: ") and query.endswith("\nAnswer:")
    return query.removeprefix("Question: ").removesuffix("\nAnswer:")


def choices(row):
    texts = row["choices"]
    labels = list("ABCDE"[:len(texts)])
    return {"choices": {"text": texts, "label": labels}, "answerKey": labels[row["gold"]]}


def mmlu_rows(path, subject):
    with open(path, encoding="utf-8", newline="") as file:
        return [{"question": question, "subject": subject, "choices": texts, "answer": "ABCD".index(answer)}
                for question, *texts, answer in csv.reader(file)]


def targets(right, wrong):
    return {"choices": right + wrong, "labels": [1] * len(right) + [0] * len(wrong)}


def truthful_rows(path):
    def split(texts):
        return [text.strip() for text in texts.split("; ") if text.strip()]

    with open(path, encoding="utf-8-sig", newline="") as file:
        return [{"question": row["Question"], "mc1_targets": targets([row["Best Answer"].strip()], wrong),
                 "mc2_targets": targets(split(row["Correct Answers"]), wrong)}
                for row in csv.DictReader(file) for wrong in [split(row["Incorrect Answers"])]]


def real(shared):
    for task, name in ("arc_easy", "Easy"), ("arc_challenge", "Challenge"):
        for split, file in ("train", "Train"), ("validation", "Dev"), ("test", "Test"):
            yield task, split, list(arc_rows(shared / f"arc/ARC-{name}-{file}.jsonl"))
    for split, file in ("train", "train.partial3368"), ("validation", "validation"):
        rows = lines(shared / f"hellaswag/hellaswag_{file}.jsonl")
        yield "hellaswag", split, [row | {"label": str(row["label"])} for row in rows]
    for split, file in ("train", "train.jsonl.xz"), ("validation", "val.jsonl"):
        rows = lines(shared / f"winogrande/winogrande_{file}")
        yield "winogrande", split, [{key: row[key] for key in ("sentence", "option1", "option2", "answer")} for row in rows]
    for split, file in ("train", "train"), ("validation", "val"), ("test", "test"):
        rows = lines(shared / f"openbookqa/openbookqa_{file}.jsonl")
        yield "openbookqa", split, [{"id": row["id"], "question_stem": stem(row["query"])} | choices(row) for row in rows]
    for split, file in ("train", "train"), ("validation", "val"):
        rows = lines(shared / f"csqa/csqa_{file}.jsonl")
        yield "commonsense_qa", split, [{"id": row["id"], "question": stem(row["query"]), "question_concept": ""} | choices(row)
                                        for row in rows]
    for task in "truthfulqa_mc1", "truthfulqa_mc2":
        yield task, "validation", truthful_rows(shared / "truthfulqa/TruthfulQA.csv")
    for path in sorted((shared / "mmlu/test").glob("*_test.csv")):
        subject = path.stem.removesuffix("_test")
        for split, file in ("dev", "dev"), ("validation", "val"), ("test", "test"):
            yield f"mmlu_{subject}", split, mmlu_rows(shared / f"mmlu/{file}/{subject}_{file}.csv", subject)


def write_rows(out, made):
    for task, split, rows in made:
        folder = out / task
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8", newline="\n")


# What the harness makes of rows

def load(manager, folder, cache, **settings):
    files = {path.stem: path for path in sorted(folder.glob("*.jsonl"))}
    data = {"data_files": {split: str(path) for split, path in files.items()}, "cache_dir": cache}
    local = {"task": folder.name, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": data} | settings
    made = manager.load({"group": "local", "task": [local]})["tasks"][folder.name]
    for split, path in files.items():
        assert list(made.dataset[split]) == lines(path), f"{path}: `datasets` reads other values"
    return made


def right(made, doc, count):
    if made.task_name == "truthfulqa_mc2":
        return [label == 1 for label in doc["mc2_targets"]["labels"]]
    gold = made.doc_to_text(doc) if made.multiple_input else made.doc_to_target(doc)
    if isinstance(gold, str):
        texts = made.doc_to_choice(doc)
        gold = texts.index(gold) if gold in texts else -100
    return [place == gold for place in range(count)]


def prompts(made, shots, **asked):
    """For each row, its candidates: context, continuation, whether it is right."""
    from lm_eval.defaults import DEFAULT_OTHER_SEED
    made.set_config(key="num_fewshot", value=shots)
    made.set_fewshot_seed(DEFAULT_OTHER_SEED)
    made.build_all_requests(**asked)
    for _, requests in groupby(made.instances, lambda request: request.doc_id):
        requests = list(requests)
        rights = right(made, requests[0].doc, len(requests))
        yield [[*request.args, is_right] for request, is_right in zip(requests, rights, strict=True)]


def record(made, shots, every, **asked):
    rows = list(prompts(made, shots, **asked))
    digest = hashlib.sha256()
    for row in rows:
        for context, continuation, is_right in row:
            digest.update(f"{context}\0{continuation}\0{is_right:d}\n".encode())
    kept = {"prompts": [candidate for row in rows for candidate in row]} if every else {"first": rows[0]}
    return {"task": made.task_name, "shots": shots, "docs": len(rows), "candidates": sum(map(len, rows)),
            "sha256": digest.hexdigest()} | kept


def make(rows, out, every):
    from lm_eval.tasks import TaskManager
    manager, records = TaskManager(), []
    for folder in sorted(path for path in rows.iterdir() if path.is_dir()):
        with TemporaryDirectory() as cache:
            made = load(manager, folder, cache)
            for shots in SHOTS[:1] if made.config.num_fewshot == 0 else SHOTS:
                start = monotonic()
                records.append(record(made, shots, every))
                found = records[-1]
                say(f"  {found['task']}, {shots} shots: {found['docs']} rows, {found['candidates']} candidates, "
                    f"{monotonic() - start:.0f} s")
    versions = {name: version(name) for name in ("lm_eval", "datasets", "jinja2")}
    body = ",\n".join(json.dumps(found, ensure_ascii=False) for found in records)
    out.write_text(f'{{"versions": {json.dumps(versions)}, "tasks": [\n{body}\n]}}\n', encoding="utf-8", newline="\n")


# Made-up rows: what texts can have that a prompt must keep, drop or change.

def arc(name, question, texts, labels, key):
    return {"id": name, "question": question, "choices": {"text": texts, "label": list(labels)}, "answerKey": key}


def open_book(name, question, texts, key):
    return {"id": name, "question_stem": question, "choices": {"text": texts, "label": list("ABCD")}, "answerKey": key}


def common_sense(name, question, texts, key):
    return {"id": name, "question": question, "question_concept": "", "choices": {"label": list("ABCDE"), "text": texts},
            "answerKey": key}


def swag(ind, activity, ctx_a, ctx_b, endings, label, split="train"):
    return {"ind": ind, "activity_label": activity, "ctx_a": ctx_a, "ctx_b": ctx_b, "ctx": f"{ctx_a} {ctx_b}".strip(),
            "endings": endings, "source_id": f"made-up~{ind}", "split": split, "split_type": "indomain", "label": label}


def schema(sentence, option1, option2, answer):
    return {"sentence": sentence, "option1": option1, "option2": option2, "answer": answer}


def goal(text, sol1, sol2, label):
    return {"goal": text, "sol1": sol1, "sol2": sol2, "label": label}


def social(context, question, a, b, c, label):
    return {"context": context, "question": question, "answerA": a, "answerB": b, "answerC": c, "label": label}


def science(question, wrong, correct, support):
    return {"question": question, "distractor3": wrong[2], "distractor1": wrong[0], "distractor2": wrong[1],
            "correct_answer": correct, "support": support}


def yes_no(idx, passage, question, label):
    return {"question": question, "passage": passage, "idx": idx, "label": label}


def mmlu(subject, *rows):
    return [{"question": question, "subject": subject, "choices": texts, "answer": answer} for question, texts, answer in rows]


def truthful(question, best, correct, wrong):
    return {"question": question, "mc1_targets": targets([best], wrong), "mc2_targets": targets(correct, wrong)}


KETTLE = ["Why does Ada's kettle  whistle?", ["Steam leaves it", "It\u2019s \"sad\"", "It is empty", "It can't"], "ABCD", "A"]
ARC_EASY = {"train": [
    arc("e2", "  Which tool  weighs a pear? ", ["a ruler", "a scale ", " a clock", "a\tmap"], "1234", "2"),
    arc("e3", "What does a kite need?\u00a0", ["wind", "salt\u00a0", "\u3000ink"], "ABC", "A"),
    arc("e4", "Which is the tallest?", ["a fir", "a fern", "moss", "a tulip", "clover"], "ABCDE", "E"),
    arc("e5", "Nora's note says \"ice floats\". Why?", ["It's lighter", "'cold' rises", "It isn't \"solid\"", "\"wax\""], "ABCD", "C"),
    arc("e6", "A jar reads {{sugar}}, {% raw %}; which {dissolves}?", ["{{both}}", "{none}", "{% if %}", "{# no #}"], "ABCD", "D"),
    arc("e1", "Which of these melts first on a warm stone?", ["butter", "a spoon", "a pebble", "a brick"], "ABCD", "A"),
    arc("e7", "Which path ends in C:\\new\\table?", ["\\n", "a\\b", "C:\\", "\\'\\\""], "1234", "4"),
    arc("e8", "Which number is written oddly?", ["12", "007", "-1", "[3]"], "ABCD", "B"),
    arc("e9", "Once more: " + KETTLE[0], *KETTLE[1:]),
], "test": [
    arc("e-1", "Which lamp stays cool?", ["the one that is off", "the bright one", "the hot one", "the red one"], "ABCD", "A"),
    arc("e-2", "\tHow many legs has a stool of three legs? ", [" three ", "four", " none"], "123", "1"),
    arc("e10", *KETTLE),
    arc("e-4", "Which line\nis broken \\n here?", ["the first\nline", "line \\t two", "{{ 'three' }}", "the \"fourth's\""], "1234", "3"),
    arc("e-5", "What is ½ of ² apples?", ["one", "²", "½", "1e3", "1_000"], "ABCDE", "A"),
]}

ARC_CHALLENGE = {"train": [
    arc("c1", "Où fond la neige de l'ÉTÉ\u00a0?", ["à l'ombre", "au soleil", "sous l\u2019eau", "à « midi »"], "ABCD", "B"),
    arc("c2", "Which cloud is 雲?", ["雲", "山", "川", "火"], "1234", "1"),
    arc("c3", "Which of the emoji is a fruit?", ["🍐", "👩\u200d🔬", "e\u0301", "é", "🇨🇭"], "ABCDE", "A"),
    arc("c4", "A soft\u00adhyphen and a zero\u200bwidth space: which is seen?", ["none\u00ad", "\u200bboth", "\ufeffone"], "ABC", "A"),
    arc("c5", "Which line separator\u2028ends a line?", ["\u2028", "\u2029x", "a\u0085b", "a\rb"], "1234", "2"),
    arc("c6", " Which  scale   reads 20 °C ", ["Fahrenheit's", "Celsius' \"own\"", "Kelvin", "none"], "ABCD", "B"),
    arc("c7", "Which <b>tag</b> & entity &amp; stays?", ["<b>", "&amp;", "&#39;", "</b>"], "ABCD", "C"),
    arc("c8", "Which answer is False?", ["True", "None", "False", "nan"], "ABCD", "C"),
], "test": [
    arc("c-1", "Which planet would be windless?", ["one without air", "one with air", "any wet one", "every cold one"], "1234", "1"),
    arc("c-2", "Ποῦ ἐστιν ὁ ΣΊΣΥΦΟΣ;", ["ἐν ὄρει", "Straße", "İzmir", "ǆep"], "ABCD", "A"),
    arc("c-3", "Three ends:", ["' '", "\"\"\"", "'''"], "ABC", "C"),
    arc("c-4", "Which has five?", ["{", "}", "{{", "}}", "{{}}"], "ABCDE", "E"),
]}

FOLD = swag(7, "Folding a map", "A man opens a map.", "he", ["folds it  twice.", "eats it.", "[step] sings.", "flies off."], "0")
HELLASWAG = {"train": [
    swag(2, "Home  and Garden", "[header] How to water a cactus [title] Wait. [step] Cacti like dry soil.", "",
         ["[title] Use little water. [step] A spoon is enough.", "Drown it. [substeps] Twice.", "Sing [title] loud.", "Stop.  [title]"], "1"),
    swag(3, " Sledding ", "Two boys climb a hill.  ", "émile ET léa", [" slide down. ", "\u00a0melt.", "vanish\u3000", "bake\t."], "2"),
    swag(4, "Chess", "A girl says \"check\".", "\"MATE\" she SAYS", ["and wins.", "and isn't glad.", "{{and}} {leaves}.", "[and] [stays]."], "3"),
    swag(1, "Baking bread", "A woman kneads dough.", "the WOMAN", ["waits.", "swims away.", "paints the dough.", "sleeps."], "0"),
    swag(5, "Greek plays", "A chorus enters.", "ΣΊΣΥΦΟΣ SINGS", ["[open bracket.", "closed] bracket.", "[a [b] c] d.", "[line\nbreak] e."], "0"),
    swag(6, "Diving", "A diver [title] stands [header] high.", "ßIE jumps", ["in.", "up   and    down.", "out.", " ."], "1"),
    FOLD,
    swag(8, "Sawing", "A saw is shown.", "ǆEP is CUT", ["in two.", "in three.", "not at all.", "by \u2019hand\u2019."], "2"),
    swag(9, "Welding", "A torch burns.", "ﬁRE IS LIT", ["again.", "İn vain.", "[title] then out.", "[ ] then in."], "3"),
], "validation": [
    swag(21, "Knitting", "An old man knits a scarf.", "the SCARF", ["grows longer.", "barks.", "drives home.", "is a lake."], "0", "val"),
    FOLD,
    swag(22, "[header] Cleaning  Up", "[title] Clear the desk [title] slowly. [step]  Take a cloth.", "",
         ["[substeps] Wipe it. Rinse it.", " [title] Go.", "Nap [x] [title] a bit.", "Buy  a  desk."], "3", "val"),
    swag(23, "Rowing", "Ships leave İSTANBUL.", "İSTANBUL'S \"FLEET\"", ["sails.", "isn't {{there}}.", "C:\\temp\\new.", "\u200bsinks."], "2", "val"),
    swag(24, "Sport", " ", "ŉEVER again", ["they run.", "they 'rest'.", "they \"rest\".", "[they]"], "1", "val"),
]}

VASE = schema("The vase fell on the rug because the _ was slippery.", "vase", "rug", "1")
WINOGRANDE = {"train": [
    schema("Olga thanked Petra because _ had mended the fence.", "Olga", "Petra", "2"),
    VASE,
    schema("The pear fit in the jar but not in the cup, so it went into the _.", "jar", "cup", "1"),
    schema("_ slept while Hugo cooked.", "Karl", "Hugo", "1"),
    schema("Tom's soup was hotter than Jim's, so everyone blew on the soup of _", "Tom", "Jim", "1"),
    schema("Ida  likes the {{red}} hat more than the \"blue\" one; the _  is  gone.", "red hat", "\"blue\" hat", "2"),
    VASE,
    schema("The snake_case name beat the camelCase one since _ was short.", "it", "that", "2"),
    schema("\tÉmile a vu Léa, mais _\u00a0n'a rien dit. ", "Émile", "Léa", "2"),
], "validation": [
    schema("Mara lent Lena a coat because _ was cold.", "Mara", "Lena", "2"),
    VASE,
    schema("The bench outlived the swing, so the children sat on the _.", "bench", "swing", "1"),
    schema("Of the two doors the left one squeaks, so oil the _", "left", " right ", "1"),
    schema("When it's {% late %}, Ben reads to Max as _  can't _ alone. ", "Ben", "{{Max}}", "2"),
]}

OPENBOOKQA = {"train": [
    open_book("o1", "A seed needs water to", ["sprout", "sing", "rust", "shrink"], "A"),
    open_book("o2", "Snow on a roof will ", ["burn", "melt in spring ", " float up", "turn\tgreen"], " B"),
    open_book("o3", "1984", ["a year", "a bird", "'07", "12"], "C"),
    open_book("o4", "\u00a0A mirror  shows", ["it's you", "a \"you\"", "you're 'you'", "nothing"], "\tB"),
    open_book("o5", "{{question_stem}} is {% a %}", ["{{choices.text}}", "{x}", "{{", "}}"], "D"),
    open_book("o6", "Ducks stay dry because", ["of oil", "of \\n", "of C:\\", "of \\\\"], "A"),
    open_book("o7", "The MOON's light", ["is the sun's", "is its own", "\u00adis soft", "\u3000is wide"], "\u00a0A"),
    open_book("o8", "Ice\nis", ["cold\nwater", "hot", "dry", "wood"], "C"),
], "test": [
    open_book("o-1", "A magnet pulls", ["iron nails", "paper", "glass", "wool"], "A"),
    open_book("o-2", "  What can't a fish do?  ", ["whistle ", "swim", " breathe", "turn"], " A"),
    open_book("o-3", "42", ["it's \"42\"", "43", "[44]", "045"], " B"),
    open_book("o-4", "Plants [in {pots}] {{need}}", ["{{light}}", "{% dark %}", "[title]", "\u201csoil\u201d"], "D"),
]}

DOG = common_sense("q-same", "Where does a dog's ball roll?", ["down hill", "up", "\"away\"", "it's lost", "home"], "A")
COMMONSENSE_QA = {"train": [
    common_sense("q1", "Where would you hang a wet coat?", ["hook", "oven", "lake", "drawer", "moon"], "A"),
    common_sense("q2", "  What has  a spine but can't walk?\n", ["book", "cat ", " horse", "frog", "child"], "A"),
    common_sense("q3", "\u00a0What's in a {{bag}}?\u3000", ["{{sand}}", "{air}", "{% no %}", "{# x #}", "}}"], "E"),
    common_sense("q4", "Who says \"moo\"?", ["a cow", "a 'cow'", "a \"cow\"", "a cow's calf", "a\ttruck"], "D"),
    DOG,
    common_sense("q5", "Où est l'ÉCOLE\u00a0?", ["à Genève", "雲", "Straße", "İzmir", "🏫"], "B"),
    common_sense("q6", "Which answer is a letter?", ["B", "C", "D", "E", "A"], "C"),
    common_sense("q7", "What ends\nhere?", ["a\nline", "\\n", "C:\\", "", "."], "B"),
], "validation": [
    common_sense("q-1", "What do you need to cut a loaf?", ["knife", "song", "cloud", "sock", "letter"], "A"),
    DOG,
    common_sense("q-3", "\t What is  in the [box]? \u00a0", [" a bow ", "{{bow}}", "'bow'", "\"bow\"", ""], "E"),
    common_sense("q-4", "Why {% not %}?", ["A", "E", "D", "C", "B"], "D"),
]}

NAIL = goal("Hang a picture", "Use a nail.", "Use a noodle.", 0)
PIQA = {"train": [
    goal("Dry a shoe", "Fill it with paper.", "Fill it with soup.", 0),
    goal(" Open a  jar ", "Pull the jar's \"lid\".", "Twist the lid. ", 1),
    NAIL,
    goal("Write {{name}} on {a} cake", "Use {% icing %}.", "Use {{}}.", 0),
    goal("Keep C:\\temp clean\n", "rm \\n", "It's \\'fine\\'.", 1),
    goal("Cool tea\u00a0", "\u00a0Wait.", "Boil it\u3000", 0),
    NAIL,
    goal("ÉPLUCHER une poire", "Prendre l'économe.", "La jeter ; « voilà ».", 0),
    goal("[title] Sharpen [step] a pencil", "[substeps] Turn it.", "\tBite it.", 0),
], "validation": [
    goal("Remove ink from a table", "Rub it with a cloth.", "Rub it with more ink.", 0),
    NAIL,
    goal("\tWhat's \"next\"?  ", "It's 'this'.", " It's \"that\". ", 1),
    goal("{{goal}}", "{{sol1}}", "{% sol2 %}\n", 1),
]}

TRIP = social("Remy's train was late.", "How would Remy feel?", "bored", "it's \"fine\"", "wooden", "1")
SOCIAL_IQA = {"train": [
    social("Kim gave Lou a pear.", "What will Lou do next?", "eat it", "plant a car", "become Kim", "1"),
    social(" Jo  hid. ", "Why did Jo do this? ", "to be found", " to be alone ", "to\tbe", "2"),
    social("Sam isn't \"in\".", "Where's Sam?", "'out'", "\"out\"", "Sam's 'home' is \"out\"", "3"),
    TRIP,
    social("Al wrote {{code}}.", "What {% will %} it do?", "{{run}}", "{crash}", "{# nothing #}", "3"),
    social("Léa a vu l'OURS.\u00a0", "\u3000Et après ?", "courir", "à « dormir »", "ﬁn", "1"),
    social("Uma\nsat.", "Why?", "rest\n", "\\n", "C:\\", "2"),
    social("Vi [title] won.", "How [does] Vi feel?", "[glad]", "sad", "007", "1"),
], "validation": [
    social("Ana lost her key under the stairs.", "What will Ana want to do next?", "look there", "paint the sky", "be a key", "1"),
    TRIP,
    social("\tBo said \"it's {{me}}\". ", " Who  is Bo?", "'me'", " {{me}}", "it's \"me\"\u00a0", "3"),
    social("", "What now?", "wait", "go", "[1, 2]", "2"),
]}

SCIQ = {"train": [
    science("What do roots take up?", ["light", "sound", "stone"], "water", "Roots lie in soil. They take up water."),
    science("What is  missing? ", ["all ", " some", "none"], "support", ""),
    science("What's the \"core\"?", ["'a'", "\"b\"", "it's \"c\""], "d's", "\n\t The core's \"middle\" is hot.\n"),
    science("Which {{x}}?", ["{{a}}", "{b}", "{% c %}"], "{# d #}", "{{support}} {% is %} here."),
    science("Où ?", ["là", "雲", "İ"], "ici\u00a0", "\u00a0\u3000Dans l'EAU. "),
    science("Which path?", ["\\n", "C:\\", "\\\\"], "\\'", "C:\\new\\table"),
    science("Which number?", ["7", "007", "[7]"], "-7", "  "),
    science("Which tag?", ["[title]", "<b>", "&amp;"], "[step]", "A [header] is a tag."),
], "test": [
    science("What carries sap upward?", ["bark", "petals", "thorns"], "wood", "Wood carries sap upward. Bark protects."),
    science("What floats on brine?", ["a nail", "a coin", "a key"], "an egg", ""),
    science("\tWhat's \"it\"?  ", [" one", "'two'", "{{three}}"], "\"four\" ", " \t\u00a0 Sound isn't light.\n\nIt is  slower.\n"),
    science("Which is right", ["x", "x", "y\n"], "x", "\u200bNo space to strip, {{but}} {% braces %}."),
]}

BRIDGE = yes_no(77, "The Old Bridge's span -- 40 m -- isn't \"long\".", "is the old bridge long", 0)
BOOLQ = {"train": [
    yes_no(1, "Copper -- A reddish metal. It conducts heat.", "does copper conduct heat", 1),
    yes_no(2, " Two  spaces. ", "are there  two spaces ", 1),
    yes_no(3, "\tA tab, a {{name}} and {% a tag %}.", "is {{it}} a tab", 0),
    BRIDGE,
    yes_no(5, "One line.\r\nTwo lines.\n", "is it one\nline", 0),
    yes_no(6, "L'ÉTÉ\u00a0: 雲.\u3000", "est-ce l'été ", 1),
    yes_no(7, "", "is the passage empty", 1),
    yes_no(8, "He said \"it's 'so'\" [1] [title].", "is it 'so'", 0),
], "validation": [
    yes_no(21, "Plum -- The plum is a stone fruit. It has one stone.", "does a plum have a stone", 1),
    BRIDGE,
    yes_no(23, "  {# A comment #} C:\\new \\n\u2028 ends\u00a0", "isn't {{this}} a \"comment\"?", 0),
]}

MMLU = {"mmlu_anatomy": {"dev": mmlu("anatomy",
    ("Which bone is in the thumb?", ["A phalanx", "A rib", "The femur", "The hyoid"], 0),
    ("  Where is the heel? ", [" foot", "hand ", "\thead", "\u00a0hip\u3000"], 0),
    ("The patient's \"elbow\" is\n", ["a joint", "'a' nail", "\"a\" lobe", "it's none"], 0),
    ("{{question}} of {% the %} {ear}", ["{{A}}", "{B}", "{% C %}", "{# D #}"], 3),
    ("Which is a number?", ["12", "XII", "½", "-12"], 2),
), "test": mmlu("anatomy",
    ("Which of these is not a tooth?", ["The knee", "A molar", "An incisor", "A canine"], 0),
    ("\u00a0\tStatement 1 | It's  red.\nStatement 2 | \"It\" isn't. \n", ["True, True", "False, False", "True, False ", " False, True"], 3),
    ("Fill in: _ [title] {{blank}} C:\\n", ["\\n", "{{", "", "A"], 1),
)}, "mmlu_world_religions": {"dev": mmlu("world_religions",
    ("Where might a pilgrim walk?", ["On a road", "On air", "In ink", "On the moon"], 0),
    ("\u3000What does ΣΟΦΊΑ mean?\u00a0", ["wisdom", "Straße", "İ", "ǆ"], 0),
    ("Which   month\n\nis it?", ["the \"first\"", "the 'last'", "the month's end", "C:\\"], 2),
    ("'Whose' \"book\"?", ["{{his}}", "hers", "{theirs}", "no one's"], 3),
    ("A?", ["A", "B", "C", "D"], 1),
), "test": mmlu("world_religions",
    ("Which of these is a place to sing?", ["A stone", "A choir stall", "A comma", "A spoon"], 1),
    (" Qui a dit « l'EAU »\u00a0?\t", ["l\u2019ami", " à  deux", "雲", "🕊"], 2),
    ("{% set x = 1 %}{{ x }}", ["{{ x }}", "1", "'x'", "\"x\""], 0),
)}}

TRUTHFULQA = {"validation": [
    truthful("What happens if you whistle at a kettle?", "Nothing happens", ["Nothing happens", "It stays a kettle"],
             ["It boils", "It whistles back"]),
    truthful(" Who  said \"it's {{so}}\"? ", "It's unknown", ["It's \"unknown\"", "No one's 'sure'", "It's unknown"], ["{{He}} did", "{% she %}"]),
    truthful("Can {% pigs %} fly?\n", "No ", [" No", "\u00a0Only in C:\\planes\\new"], ["Yes\n", "\\n", "'Yes'"]),
    truthful("Où est l'ÉTÉ\u00a0?", "En août", ["En août"], ["İci", "雲", "Nulle part\u3000", "[à] [title]", "\ttard"]),
]}

SMALL = {"arc_easy": ARC_EASY, "arc_challenge": ARC_CHALLENGE, "hellaswag": HELLASWAG, "winogrande": WINOGRANDE,
         "openbookqa": OPENBOOKQA, "commonsense_qa": COMMONSENSE_QA, "piqa": PIQA, "social_iqa": SOCIAL_IQA, "sciq": SCIQ,
         "boolq": BOOLQ, "truthfulqa_mc1": TRUTHFULQA, "truthfulqa_mc2": TRUTHFULQA} | MMLU


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(dest="command", required=True)
    command = commands.add_parser("rows")
    command.add_argument("shared", type=Path)
    command.add_argument("out", type=Path)
    command = commands.add_parser("small")
    command.add_argument("out", type=Path)
    command = commands.add_parser("make")
    command.add_argument("rows", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--every", action="store_true")
    arguments = arguments.parse_args()
    if arguments.command == "rows":
        write_rows(arguments.out, real(arguments.shared))
    elif arguments.command == "small":
        write_rows(arguments.out, ((task, split, rows) for task, splits in SMALL.items() for split, rows in splits.items()))
    else:
        make(arguments.rows, arguments.out, arguments.every)


if __name__ == "__main__":
    main()
