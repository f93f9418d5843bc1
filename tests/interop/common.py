"""What the checks of this folder share: their arguments, their report, and Owlet's numbers."""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import traceback

import numpy as np
from safetensors.numpy import load_file


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--owlet", type=pathlib.Path, required=True, help="the program; interop_logits lies beside it")
    parser.add_argument("--golden", type=pathlib.Path, required=True, help="numbers from outside; checks that need them are skipped without")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for what is made on the way")
    parsed = parser.parse_args()
    parsed.work.mkdir(parents=True, exist_ok=True)
    return parsed


class Report:
    """One `ok`, `FAIL` or `skip` line per check."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, holds, name, text=""):
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'} {name:<52} {text}", flush=True)

    def skip(self, name, why):
        print(f"skip {name:<52} {why}", flush=True)

    def attempt(self, name, function, *arguments):
        """A check that dies is a failed one, and the rest goes on."""
        try:
            function(*arguments)
        except Exception as error:  # whatever a foreign library throws
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.check(False, name, f"{type(error).__name__}: {str(error)[:300]} ({pathlib.Path(where.filename).name}:{where.lineno})")

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed != 0)


class Owlet:
    def __init__(self, program, work):
        self.program, self.work = program.absolute(), work.absolute()

    def run(self, *arguments):
        """What the program prints. An error is raised with its message."""
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=7200)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def logits(self, model, rows, prompt=0, greedy=0, adapters=()):
        """Logits [T, V] of each row of ids, in one pass, and `greedy` likeliest ids behind the first `prompt` of the first row."""
        ids, out = self.work / "ids.json", self.work / "ours.safetensors"
        ids.write_text(json.dumps({"rows": [list(map(int, row)) for row in rows], "prompt": prompt or len(rows[0]), "greedy": greedy}))
        done = subprocess.run([self.program.parent / "interop_logits", model, ids, out, *adapters], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        found = load_file(out)
        return [found[f"logits.{i}"] for i in range(len(rows))], found["greedy"].tolist()

    def text(self, model, texts, chats=()):
        """Ids and decoded texts, rendered chats, and what the model's files advise: see text_main.cc."""
        given, out = self.work / "texts.json", self.work / "ours.json"
        given.write_text(json.dumps({"texts": list(texts), "chats": list(chats)}))
        done = subprocess.run([self.program.parent / "interop_text", model, given, out], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return json.loads(out.read_text())

    def small_tokenizer(self, size=300):
        """A folder with a tokenizer, for models that have none; of 256 tokens it is one of bytes."""
        folder = self.work / f"tokenizer-{size}"
        if not (folder / "tokenizer.json").exists():
            corpus, special = self.work / "corpus.txt", ["--special", ""] if size == 256 else []
            corpus.write_text("".join(f"{text}\n" for text in TEXTS * 3))
            self.run("tokenizer", "train", corpus, "--vocab-size", size, *special, "-o", folder)
        return folder


class Server:
    """`owlet serve` on a free port, as long as the `with` lasts."""

    def __init__(self, program, *arguments):
        self.command = [program.absolute(), "serve", "--port", "0", *map(str, arguments)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.url = found[0]
                return self
        raise RuntimeError(f"the server did not start: {said.strip()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)


TEXTS = ["Hello, world!", "The quick brown fox jumps over the lazy dog; it's 1,234.5 km away, isn't it?", "   three spaces,\ttab,\n\nlines  \n",
         "def f(x):\n    return x**2  # square", "Größe, façade, naïve, Ærøskøbing, İstanbul", "Привет, как дела? Всё хорошо.",
         "مرحبا بالعالم ١٢٣", "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界！今天天气很好。", "こんにちは世界、カタカナ", "안녕하세요 세계",
         "😀👩‍👩‍👧‍👦🏳️‍🌈 emoji", "e\u0301 vs \u00e9, ﬁne, Ⅷ, ½", "a" * 40, "", " ", "https://example.com/a?b=c&d=%20", "I'LL we'Ve", "1234567890 12 3"]

CHATS = [[{"role": "user", "content": "Hello!"}],
         [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "4."}, {"role": "user", "content": " And\n3 + 3? "}]]


def relative_error(ours, theirs):
    """max |ours − theirs| / max |theirs|"""
    if ours.shape != theirs.shape:
        return float("inf")
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    return float(error) if np.isfinite(error) else float("inf")


def greedy_difference(logits, tokens, tolerance):
    """Where an answer is not the greedy one of a reference, whose logits [len(tokens), V] lie before each of its tokens: empty where
    each is the likeliest, or as likely within the tolerance."""
    for i, token in enumerate(tokens):
        if logits[i].max() - logits[i][token] > tolerance * np.abs(logits[i]).max():
            return f"token {i} is {token}, not {int(logits[i].argmax())}"
    return ""


def bundled_model():
    return pathlib.Path(__file__).parents[2] / "models" / "owlet.gguf"


def written_types(owlet):
    """The types that `owlet quantize` writes, as its help names them."""
    line = next(line for line in owlet.run("quantize", "--help").splitlines() if "--type" in line and "=" in line)
    return re.findall(r"\b(?:iq\d\w*|q\d\w*|b?f\d+)\b", line.split("=", 1)[1].split(None, 1)[1])
