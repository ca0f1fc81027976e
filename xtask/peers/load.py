"""Load and abuse for `likra serve`: many requests over many connections, a share of them bad; every good answer is compared
with the one that the same request got alone. Needs nothing but Python.

    python load.py --url http://127.0.0.1:8080 --prompts PROMPTS.jsonl [--requests N] [--connections N] [--bad SHARE]
        [--pid PID] [--stop-after N]
    python load.py --url http://127.0.0.1:8081 --prompts PROMPTS.jsonl --peer llama.cpp

PROMPTS.jsonl is what `likra prompts` prints. With --pid the server's memory is read, and --stop-after sends it SIGTERM
after so many answers. The second asks llama.cpp's server to read the same prompts, without bad requests.
"""
import argparse
import asyncio
import collections
import itertools
import json
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

MODELS = ("base", "positive", "negative", "likra")
# What a batch may change of a log-likelihood, in nats.
BOUND = 1e-5


class Refused(Exception):
    """The connection ended before a byte of an answer."""


class Connection:
    """One connection that is kept, and opened again when it has ended."""

    def __init__(self, url, token=None):
        there = urlsplit(url)
        self.host, self.port, self.reader, self.writer = there.hostname, there.port, None, None
        self.headers = "Content-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")

    async def open(self):
        if self.writer is None or self.writer.is_closing() or self.reader.at_eof():
            self.close()
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 28)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    def head(self, path, length):
        return f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\n{self.headers}Content-Length: {length}\r\n\r\n".encode()

    async def post(self, path, body):
        try:
            await self.open()
            self.writer.write(self.head(path, len(body)) + body)
            first = await self.reader.read(1)
        except OSError as error:
            self.close()
            raise Refused from error
        if not first:
            self.close()
            raise Refused
        return await self.answer(first)

    async def answer(self, first=b""):
        """Status and body; what ends in the middle is an error."""
        head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        else:
            body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return int(head.split(" ", 2)[1]), body


def good(arguments):
    """Requests with their paths: prompts under each model, and questions to the judge."""
    rows = [json.loads(line) for line in arguments.prompts.open(encoding="utf-8")]
    questions = [list(group) for _, group in itertools.groupby(rows, lambda row: row["doc"])]
    texts = [row["context"] + row["continuation"] for row in rows][:arguments.distinct]
    if arguments.peer == "llama.cpp":
        return [("/completion", {"prompt": text, "n_predict": 0, "cache_prompt": True}) for text in texts]
    asked = [("/v1/completions", {"model": model, "prompt": text, "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": True})
             for text in texts for model in arguments.models]
    if arguments.judge:
        asked += [("/v1/judge", {"prompt": question[0]["context"], "answers": [row["continuation"].removeprefix(" ") for row in question]})
                  for question in questions[:arguments.distinct // 4]]
    return asked


def bad(draw, arguments):
    """A bad request: its kind, its path, its body, the statuses that it may get, and how it is sent."""
    asked = {"model": "base", "prompt": [[20, 21, 22]], "max_tokens": 1, "logprobs": 1, "echo": True}
    body = json.dumps(asked).encode()
    place = draw.randrange(1, len(body))
    return draw.choice([
        ("malformed", body[:place], (400,), "whole"),
        ("not text", bytes(draw.randrange(256) for _ in range(100)), (400,), "whole"),
        ("wrong type", json.dumps(asked | {"prompt": {"a": 1}}).encode(), (400,), "whole"),
        ("other model", json.dumps(asked | {"model": "gpt-4"}).encode(), (404,), "whole"),
        ("generation", json.dumps(asked | {"max_tokens": 64}).encode(), (400,), "whole"),
        ("unknown token", json.dumps(asked | {"prompt": [[1 << 31]]}).encode(), (400,), "whole"),
        ("too long", json.dumps(asked | {"prompt": [[5] * arguments.too_long]}).encode(), (400,), "whole"),
        ("too large", b"[" * arguments.too_large, (413,), "whole"),
        ("cut off", body, (), "cut"),
        ("left", body, (), "leave"),
        ("slow head", body, (408,), "slow head"),
        ("slow body", body, (200, 400, 408), "slow body"),
    ])


async def send_bad(url, arguments, draw, counts):
    kind, body, allowed, how = bad(draw, arguments)
    connection = Connection(url, arguments.token)
    status = None
    try:
        await connection.open()
        head = connection.head("/v1/completions", len(body))
        if how == "slow head":
            connection.writer.write(head[:draw.randrange(1, len(head))])
        elif how in ("cut", "slow body"):
            connection.writer.write(head + body[:draw.randrange(1, len(body))])
        else:
            connection.writer.write(head + body)
        await connection.writer.drain()
        if how.startswith("slow"):
            # Some wait for the server's patience to end, most give up before.
            first = await asyncio.wait_for(connection.reader.read(1), draw.choice([1, 1, 1, arguments.patience]))
            if first:
                status, _ = await connection.answer(first)
        elif how == "whole":
            status, _ = await connection.answer()
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        # A server need not read all of a body that it refuses.
        pass
    connection.close()
    counts[f"bad, {kind}: {status or 'no answer'}"] += 1
    if status is not None and status not in (*allowed, 503) or status is None and how == "whole" and kind != "too large" and not arguments.stopped:
        arguments.wrong.append(f"{kind}: {status}")


def values(path, text):
    found = json.loads(text)
    if path == "/v1/judge":
        return found["scores"] + found["probabilities"]
    if path == "/completion":
        return []
    return found["choices"][0]["logprobs"]["token_logprobs"][1:-1]


def is_same(path, text, expected):
    # The judge's scores are sums over an answer's tokens.
    bound = 100 * BOUND if path == "/v1/judge" else BOUND
    found = values(path, text)
    return len(found) == len(expected) and all(abs(a - b) <= bound for a, b in zip(found, expected))


async def client(url, arguments, work, expected, counts, seconds):
    connection = Connection(url, arguments.token)
    for number, is_bad in work:
        if is_bad:
            await send_bad(url, arguments, random.Random(number), counts)
            continue
        path, body = arguments.asked[number % len(arguments.asked)]
        started = time.perf_counter()
        while True:
            try:
                status, text = await connection.post(path, body)
            except Refused:
                # The server closes an idle connection when its patience ends; a request may cross that.
                if arguments.stopped or time.perf_counter() - started > 60:
                    status = "refused"
                    break
                continue
            except asyncio.IncompleteReadError:
                arguments.wrong.append("an answer was cut off")
                status = "cut off"
                break
            if status != 503 or arguments.stopped:
                break
            counts["good: 503, asked again"] += 1
            await asyncio.sleep(0.2)
        seconds.append(time.perf_counter() - started)
        counts[f"good: {status}"] += 1
        if status == "refused" and not arguments.stopped:
            arguments.wrong.append("refused")
        if status == 200 and expected and not is_same(path, text, expected[number % len(arguments.asked)]):
            arguments.wrong.append(f"another answer than alone: {body.decode()[:200]}")
        elif status not in (200, "refused") and not (status == 503 and arguments.stopped):
            arguments.wrong.append(f"{status}: {text.decode()[:200]}")
        if arguments.stop_after and len(seconds) >= arguments.stop_after and not arguments.stopped:
            arguments.stopped = True
            os.kill(arguments.pid, signal.SIGTERM)
    connection.close()


def memory(pid):
    """Resident memory now and at its highest, in MiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return ", ".join(f"{name} {int(fields[name].split()[0]) // 1024} MiB" for name in ("VmRSS", "VmHWM"))
    except (OSError, KeyError):
        return "the server has ended"


async def run(arguments):
    alone = Connection(arguments.url, arguments.token)
    expected = []
    for path, body in arguments.asked if not arguments.unchecked else ():
        status, text = await alone.post(path, body)
        if status != 200:
            sys.exit(f"load: {status} to a single request: {text.decode()[:500]}")
        expected.append(values(path, text))
    alone.close()
    print(f"{len(arguments.asked)} different requests" + ", asked alone first" * (not arguments.unchecked))
    if arguments.pid:
        print(f"memory before: {memory(arguments.pid)}")
    draw = random.Random(arguments.seed)
    # All clients take from one list, so that a slow request holds up one client only.
    work = iter([(number, not arguments.peer and draw.random() < arguments.bad) for number in range(arguments.requests)])
    counts, seconds = collections.Counter(), []
    started = time.perf_counter()
    clients = [asyncio.create_task(client(arguments.url, arguments, work, expected, counts, seconds)) for _ in range(arguments.connections)]
    while not all(task.done() for task in clients):
        await asyncio.wait(clients, timeout=10)
        if arguments.pid:
            print(f"{sum(counts.values())} requests, {time.perf_counter() - started:.0f} s: {memory(arguments.pid)}", flush=True)
    await asyncio.gather(*clients)
    took = time.perf_counter() - started
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [0] * 99
    print(f"{len(seconds)} good requests over {arguments.connections} connections in {took:.1f} s: {len(seconds) / took:.1f} a second, "
          f"p50 {1e3 * cuts[49]:.1f} ms, p99 {1e3 * cuts[98]:.1f} ms")
    for name, count in sorted(counts.items()):
        print(f"  {count:6} {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--bad", type=float, default=0.1)
    parser.add_argument("--distinct", type=int, default=40, help="so many of the prompts are used, under each model")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--judge", action="store_true", help="ask the judge, too")
    parser.add_argument("--peer", choices=["llama.cpp"])
    parser.add_argument("--unchecked", action="store_true", help="compare no answers, so that a server's cache is empty at first")
    parser.add_argument("--token")
    parser.add_argument("--patience", type=float, default=40, help="a little longer than the server's, in seconds")
    parser.add_argument("--too-long", type=int, default=200_000, help="tokens of a prompt that is too long")
    parser.add_argument("--too-large", type=int, default=8 << 20, help="bytes of a body that is too large")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--stop-after", type=int)
    arguments = parser.parse_args()
    arguments.asked = [(path, json.dumps(body).encode()) for path, body in good(arguments)]
    arguments.wrong, arguments.stopped = [], False
    try:
        asyncio.run(run(arguments))
    except Refused:
        sys.exit(f"load: nobody listens at {arguments.url}")
    if arguments.wrong:
        sys.exit(f"load: {len(arguments.wrong)} wrong, such as {arguments.wrong[:3]}")
    print("load: every answer is as expected")


if __name__ == "__main__":
    main()
