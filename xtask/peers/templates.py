"""Random templates, printed by the harness and by likra: the same text, or refused.

    python xtask/peers/templates.py target/debug/likra [SEED [TEMPLATES [MODEL]]]

With MODEL, a checkpoint's folder, they are chat templates, printed by transformers.

Fails if likra prints another text than jinja2, or any text where jinja2 fails. Left out: what jinja2 fails at by the type
of a value, such as `3 > "2"`, where minijinja goes on; texts joined to what `tojson` has made, which jinja2 escapes; and parts of what is
undefined in chat templates, which minijinja has as nothing.
"""
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from jinja2 import UndefinedError
from lm_eval import utils
from transformers.utils.chat_template_utils import _compile_jinja_template as compiled

UNDEFINED = object()
# A filter of the harness alone.
REGEX = "({T})|regex_replace({Q}, {Q})"
TEXTS = [
    "a", "Hello World", " pad ed ", "it's", 'q"q', "x,y;z", "naïve Ærø", "line\nbreak\n", "UPPER lower", "a-b-c", "007", "42", "-3.5",
    "tab\tx", "ß ǆ", "aaa", "one two  three", "{x}", "%s", "True", "None", "日本 語", "é", "5_0", "ΑΣ ς",
]
ITEM = "loop.index loop.index0 loop.revindex loop.first loop.last loop.length loop.cycle('a','b') loop.previtem|default('-')"
# What a template may have in place of a capital in braces: a text (T), a whole number (I), a number with a fraction (F), a truth
# value (B), a list of texts (L), any of them (X), a short text in quotes (Q), or a statement (S). The first of each has those
# without parts, with # for a bar.
GRAMMAR = {
    "T": [
        "s|t|l[0]|l[-1]|d.k|d['name']|r[0].name|{Q}",
        *("({T})|" + name for name in "upper lower title capitalize trim string reverse first last".split()),
        *("({T})." + name + "()" for name in "upper lower title capitalize strip lstrip rstrip".split()),
        "({T} ~ {X})", "({T} + {T})", "({T}).replace({Q}, {Q})", "({T})|replace({Q}, {Q})", "({T}).split()[0]", "({T}).split({Q})[-1]",
        "({T}).split({Q}, 1)[0]", "({L})|join({Q})", "({L})|join", "({T} if {B} else {T})", "({X})|string", "({T})[0]", "({T})[-1]",
        "({T})[1]", "({T})[:2]", "({T})[-2:]", "({T})[::2]", "({T})[::-1]", "({T})[1:3]", "({T})|default({Q})", "({T})|default({Q}, true)",
        "(u|default({T}))", "({T})|indent(2)", "({T})|trim({Q})", "({T}).strip({Q})", "d.get('k', {Q})", "d.get('q', {Q})", "({T}).join(l)",
        "({T} * 2)", "'%s|%s'|format({X}, {T})", "'%4s|'|format({T})", "'{}={}'.format({X}, {T})", "'{0:>5}'.format({T})",
        "'{:.2f}'.format({F})", "({L})|first", "({L})|last", "l|max", "l|min", "({T}).splitlines()|join('|')", "({T} or {T})",
        "({T} and {T})", REGEX,
    ],
    "I": [
        "n|m[0]|m[-1]|0|1|2|3|-2|7|l#length|s#length|m#sum|m#max|m#min",
        "({I} + {I})", "({I} - {I})", "({I} * {I})", "({I} // {I})", "({I} % {I})", "({I})|abs", "({T})|int", "({F})|int", "({T})|int(5)",
        "({T}).count({Q})", "({T}).find({Q})", "({L})|length", "n ** 2", "l.index(l[0])", "l.count(l[0])", "r|sum(attribute='score')",
        "({B})|int",
    ],
    "F": ["f|1.5|0.25", "({I} / {I})", "({F} + {I})", "({F} * {F})", "({F})|round(1)", "({F})|round", "({T})|float", "({I})|float",
          "({F})|abs", "({F})|round(2, 'floor')", "({F})|round(1, 'ceil')"],
    "B": [
        "b|true|false|s == t|z is none|u is defined|s is string|l is sequence|d is mapping|s in l|'k' in d",
        "({B} and {B})", "({B} or {B})", "(not {B})", "({I} < {I})", "({I} >= {I})", "({I} == {I})", "({T} == {T})", "({T} < {T})",
        "({Q} in {T})", "({T}).startswith({Q})", "({T}).endswith({Q})", "({I} in m)", "({I}) is odd", "({I}) is divisibleby(3)",
        *("({X}) is " + name for name in "string number mapping iterable none boolean integer float sequence defined".split()),
        "({T}) is lower", "({T}).isdigit()", "({T}).isalpha()", "({T}).isspace()", "(1 < {I} < 5)", "({T} not in l)", "({X}) is eq({X})",
    ],
    "L": [
        "l|s.split()|[s, t]|['a', 'b', s]", "({L})|sort", "({L})|sort(reverse=true)", "({L})|reverse|list", "({L})|unique|list",
        *("({L})|map('" + name + "')|list" for name in "upper lower trim string".split()), "r|map(attribute='name')|list",
        "r|selectattr('score', 'gt', 2)|map(attribute='name')|list", "r|rejectattr('score')|map(attribute='name')|list",
        "({L})|select('in', l)|list", "({L})|reject('eq', s)|list", "({L} + {L})", "({L})[:2]", "({L})[1:]", "({L})[::-1]", "({T})|list",
        "d.keys()|list", "d.values()|list", "d|list", "d|dictsort|map('first')|list", "m|map('string')|list", "m|sort|map('string')|list",
        "r|sort(attribute='score')|map(attribute='name')|list", "({T}).split({Q})", "({T}).splitlines()",
    ],
    "X": ["z|d|r|m|(s, n, z)", "{T}", "{T}", "{I}", "{F}", "{B}", "{L}", "({L})|batch(2, '-')|list", "({L})|slice(2)|list", "[{X}, {X}]",
          "{'a': {X}}", "d|items|list", "r|groupby('score')|map('first')|list", "(d|dictsort)"],
    "Q": ["'a'|' '|'-'|'lo'|'World'|','|'é'|'l'|'the'"],
    "S": [
        "x", "{{ {X} }}", "{{ {X} }}", "{{ {T} }}", "{{ ({X})|tojson }}", "{% if {B} %}{S}{% elif {B} %}E{% else %}{S}{% endif %}",
        "{% set v = {X} %}[{{ v }}]", "{% set v %}{S}{% endset %}{{ v|length }}{{ v|upper }}",
        *("{% for x in {L} %}{{ " + item + " }}:{{ x }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}" for item in ITEM.split()),
        "{% for x in l if x != s %}{{ x }}/{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
        "{%- set ns = namespace(i=0) -%}\n{%- for x in m -%} {% set ns.i = ns.i + x %} {%- endfor -%} {{ ns.i }}",
        "{% macro mm(a, b='z') %}<{{ a }}|{{ b }}>{% endmacro %}{{ mm({T}) }}{{ mm({T}, b={X}) }}",
    ],
}


def expanded(draw, kind, depth):
    """A random text of a kind, whose parts are at most so deep in one another."""
    ends, *deeper = GRAMMAR[kind]
    if depth <= 0 or not deeper:
        return draw.choice(ends.split("|")).replace("#", "|")
    return re.sub(r"\{([A-Z])\}", lambda found: expanded(draw, found[1], depth - 1), draw.choice(deeper))


def row(draw):
    text = lambda: draw.choice(TEXTS)
    return {
        "s": text(), "t": text(), "n": draw.choice([0, 1, 2, 3, -1, 7, 12, 100]), "f": draw.choice([0.0, 0.5, -2.25, 1e-5, 3.0, 2.675, 1e16]),
        "b": draw.random() < 0.5, "z": None, "l": [text() for _ in range(draw.randint(1, 4))],
        "m": [draw.randint(-3, 8) for _ in range(draw.randint(1, 4))], "d": {key: text() for key in ("k", "name", "z9")},
        "r": [{"name": text(), "score": draw.randint(0, 4)} for _ in range(draw.randint(1, 3))],
    }


def likra(program, folder, template, values, is_chat):
    task = {"task": "t", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": template, "doc_to_target": 0}
    command = [program, "prompts", folder / "task.yaml", "--data", folder]
    if is_chat:
        (folder / "model/chat_template.jinja").write_text(template)
        command += ["--chat-template", "--model", folder / "model"]
        task["doc_to_text"] = "s"
    (folder / "task.yaml").write_text(json.dumps(task | {"doc_to_choice": ["x", "y"]}))
    (folder / "test.jsonl").write_text(json.dumps(values))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), f"{template!r} of {values}: {done.stderr}"
    return json.loads(done.stdout.splitlines()[0])["context"] if done.returncode == 0 else None


def library(template, values, is_chat):
    try:
        if not is_chat:
            return utils.apply_template(template, values)
        messages = [{"role": "user", "content": values["s"]}]
        return compiled(template).render(messages=messages, tools=None, documents=None, add_generation_prompt=True)
    except Exception as error:
        return UNDEFINED if is_chat and isinstance(error, UndefinedError) else None


def literal(value):
    """A value as a template has it."""
    match value:
        case None: return "none"
        case dict(): return "{" + ", ".join(f"{literal(key)}: {literal(one)}" for key, one in value.items()) + "}"
        case list(): return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


def main(program, seed=1, templates=500, model=None):
    draw, counts = random.Random(int(seed)), Counter()
    with tempfile.TemporaryDirectory() as folder:
        if model:
            GRAMMAR["T"].remove(REGEX)
            shutil.copytree(model, Path(folder) / "model")
        for _ in range(int(templates)):
            # The mark keeps a text of digits from being the number of a choice.
            template, values = "T " + expanded(draw, "S", 4), row(draw)
            if model:
                named = (f"{{%- set {name} = {literal(value)} %}}\n" for name, value in values.items() if name != "s")
                template = "".join(named) + "{% set s = messages[0].content %}" + template
            found = likra(program, Path(folder), template, values, bool(model))
            expected = library(template, values, bool(model))
            if expected is UNDEFINED:
                continue
            counts["equal" if found == expected else "refused by likra alone"] += 1
            assert found in (None, expected), f"{template!r} of {values}\n found {found!r}\n expected {expected!r}"
    print(f"{templates} templates:", dict(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
