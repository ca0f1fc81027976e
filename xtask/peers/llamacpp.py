"""llama.cpp beside likra: compare.py builds it with this, makes its model files and reads what its own programs say.

The sources are those that PyPI's archive of llama-cpp-python carries, so that a package index is all that is reached.

    python llamacpp.py MODEL PROMPTS OUT    writes what llama.cpp's scorer reads; prints one line of JSON: its size
"""
import itertools
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

VERSION = "0.3.36"
TOOLS = ["cmake==4.4.5", "ninja==1.13.2", "scikit-build-core==1.1.2"]
PROGRAMS = ["llama-perplexity", "llama-bench", "llama-server"]
FOLDER = Path(__file__).resolve().parents[2] / "target/peers/llama.cpp"
SOURCE = FOLDER / f"llama_cpp_python-{VERSION}/vendor/llama.cpp"
BUILT = FOLDER / f"build-{VERSION}"


def build():
    """Makes llama.cpp's programs for this very CPU, once."""
    if all((BUILT / "bin" / program).exists() for program in PROGRAMS):
        return
    print(f"compare: building llama.cpp in {FOLDER} (some minutes, once) ...", file=sys.stderr)
    tools = FOLDER / "venv/bin"
    run(sys.executable, "-m", "venv", tools.parent)
    pip = [tools / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", *TOOLS)
    run(*pip, "download", "--dest", FOLDER, "--no-deps", "--no-binary", ":all:", "--no-build-isolation", f"llama-cpp-python=={VERSION}")
    with tarfile.open(FOLDER / f"llama_cpp_python-{VERSION}.tar.gz") as archive:
        archive.extractall(FOLDER, filter="data")
    options = ["CMAKE_BUILD_TYPE=Release", "GGML_NATIVE=ON", "LLAMA_CURL=OFF", "LLAMA_BUILD_TESTS=OFF"]
    # cmake finds ninja on the path.
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    run("nice", "-n", "19", tools / "cmake", "-G", "Ninja", "-S", SOURCE, "-B", BUILT, *(f"-D{option}" for option in options), PATH=path)
    run("nice", "-n", "19", tools / "cmake", "--build", BUILT, "--target", *PROGRAMS, PATH=path)


def run(*command, **environment):
    subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr, env=os.environ | environment)


def convert(model, dtype, out):
    """The command that makes a GGUF file of a checkpoint."""
    return [sys.executable, SOURCE / "convert_hf_to_gguf.py", model, "--outtype", dtype, "--outfile", out]


def prepare(model, prompts, out):
    """Writes questions in the format of `llama-perplexity --multiple-choice`, from what `likra prompts` printed.

    Returns how many there are, how many candidates has the one with most, and the tokens of the longest with all its
    candidates. A process of its own calls this: one that has imported transformers hands on its size as a child's memory.
    """
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(model)
    questions = [list(rows) for _, rows in itertools.groupby(map(json.loads, prompts.open()), lambda row: row["doc"])]
    tasks = list(map(task, questions))
    begin = 4 + 4 * len(tasks)
    starts = [begin + sum(map(len, tasks[:place])) for place in range(len(tasks))]
    out.write_bytes(struct.pack(f"<I{len(tasks)}I", len(tasks), *starts) + b"".join(tasks))
    count = lambda words: len(tokenizer(words).input_ids)
    tokens = max(count(rows[0]["context"]) + sum(count(row["continuation"]) for row in rows) for rows in questions)
    return {"questions": len(questions), "candidates": max(map(len, questions)), "tokens": tokens}


def text(words):
    data = words.encode()
    return struct.pack("<I", len(data)) + data


def task(rows):
    # llama.cpp puts the space between question and answer itself.
    answers = b"".join(text(row["continuation"].removeprefix(" ")) for row in rows)
    count, labels = struct.pack("<I", len(rows)), struct.pack(f"<{len(rows)}i", *(row["gold"] for row in rows))
    # It also wants a list of answers of which several are right: an empty one.
    return text(rows[0]["context"]) + count + answers + labels + struct.pack("<I", 0)


def score(gguf, file, tasks):
    """The command that scores them, one question at a time, in a context that just holds the longest: it is all written to."""
    # llama.cpp multiplies the size by the number of candidates.
    size = 64 * -(-tasks["tokens"] // (64 * tasks["candidates"]))
    return [BUILT / "bin/llama-perplexity", "--model", gguf, "--multiple-choice", "--binary-file", file, "--parallel", tasks["candidates"],
            "--ctx-size", size, "--log-prefix", "--log-timestamps", "--verbosity", 4]


def scored(printed, log, tasks):
    """Seconds from the first question to the last answer, and the tokens.

    Its own `prompt eval time` is not that: the scorer asks for the logits after llama.cpp has stopped that clock.
    """
    done = re.findall(r"^\d+\t[\d.]+$", printed, re.MULTILINE)
    if len(done) != tasks["questions"]:
        sys.exit(f"compare: llama.cpp answered {len(done)} of {tasks['questions']} questions\n{log}")
    begun, ended = (stamp(log, words) for words in ("calculating TruthfulQA score", "Final result"))
    return ended - begun, int(re.search(r"prompt eval time = .*?/ +(\d+) tokens", log)[1])


def stamp(log, words):
    """When that was written, in seconds: the stamps are minutes, seconds, milliseconds and microseconds."""
    before = log[:log.index(words)]
    minutes, seconds, milliseconds, microseconds = map(int, re.findall(r"(\d+)\.(\d\d)\.(\d{3})\.(\d{3}) ", before)[-1])
    return 60 * minutes + seconds + milliseconds / 1e3 + microseconds / 1e6


def bench(gguf, tokens, runs):
    """The command that measures the pace of a prompt."""
    return [BUILT / "bin/llama-bench", "--model", gguf, "--n-prompt", tokens, "--n-gen", 0, "--repetitions", runs, "--output", "json"]


def pace(printed):
    return statistics.median(json.loads(printed)[0]["samples_ts"])


if __name__ == "__main__":
    print(json.dumps(prepare(*map(Path, sys.argv[1:]))))
