"""Holds the ONNX files that `owlet convert` writes against onnxruntime: the graphs are valid, and give the logits and the tokens
that transformers gives for the same models, with a cache, in pieces, and for padded batches.

    python tests/interop/check_onnx.py --owlet build/owlet --golden ../shared/golden [--work DIR]

Needs onnx, onnxruntime and numpy. The last line is "N passed, N failed".
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-4  # of the largest logit
QUESTIONS = ["What is the capital of Peru?", "What is 12 + 30?", "What is the chemical symbol of iron?", "What is the opposite of hot?",
             "Tell me a story.", "Who won the football match yesterday?"]


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, holds, name, text=""):
        print(f"{'ok' if holds else 'FAIL'} {name}: {text}", flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed += 1


def read_safetensors(path):
    types = {"F32": np.float32, "I32": np.int32}
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data, types[info["dtype"]], int(np.prod(info["shape"])), begin + info["data_offsets"][0]).reshape(info["shape"])
            for name, info in header.items()}


class Graph:
    """A session with its cache."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.past = [i for i in self.session.get_inputs() if i.name.startswith("past_key_values.")]

    def start(self, batch):
        self.cache = {i.name: np.zeros([batch, i.shape[1], 0, i.shape[3]], np.float32) for i in self.past}

    def step(self, ids, mask, positions):
        """Logits of ids [B, T]; mask [B, P + T] covers the cache too."""
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        logits, *present = self.session.run(None, {name: np.asarray(x, np.int64) for name, x in inputs.items()} | self.cache)
        names = [output.name for output in self.session.get_outputs()[1:]]
        self.cache = {name.replace("present", "past_key_values"): x for name, x in zip(names, present)}
        return logits

    def in_chunks(self, ids, sizes):
        self.start(len(ids))
        done, logits = 0, []
        for size in sizes:
            positions = np.tile(np.arange(done, done + size), (len(ids), 1))
            logits.append(self.step(ids[:, done:done + size], np.ones([len(ids), done + size]), positions))
            done += size
        return np.concatenate(logits, axis=1)

    def greedy(self, prompt, n, stop=()):
        ids = list(prompt)
        logits = self.in_chunks(np.array([ids]), [len(ids)])
        answer = []
        while len(answer) < n:
            answer.append(int(logits[0, -1].argmax()))
            if answer[-1] in stop or len(answer) == n:
                break
            at = len(ids) + len(answer) - 1
            logits = self.step([[answer[-1]]], np.ones([1, at + 1]), [[at]])
        return answer


def relative_error(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def padded_batch_error(graph, rows, n_steps=4):
    """Two texts of different length side by side, the shorter one padded on its left, and each alone."""
    texts = [rows[0][:9], rows[1][:14]]
    alone = []
    for text, row in zip(texts, rows):
        whole = row[:len(text) + n_steps]
        alone.append(graph.in_chunks(whole[None], [len(text)] + [1] * n_steps)[0])
    width = max(map(len, texts))
    mask = np.array([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    ids = np.array([[0] * (width - len(text)) + list(text) for text in texts])
    graph.start(2)
    together = [graph.step(ids, mask, np.maximum(mask.cumsum(axis=1) - 1, 0))]
    for i in range(n_steps):
        mask = np.concatenate([mask, np.ones([2, 1], int)], axis=1)
        together.append(graph.step([[row[len(text) + i]] for text, row in zip(texts, rows)], mask, [[len(text) + i] for text in texts]))
    together = np.concatenate(together, axis=1)
    return max(relative_error(together[i, width - len(text):], alone[i]) for i, text in enumerate(texts))


def log_softmax(x):
    x = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def divergence(exact, rounded):
    """Mean Kullback–Leibler divergence of the positions' distributions, and how often their likeliest tokens agree."""
    p, q = log_softmax(exact), log_softmax(rounded)
    return float((np.exp(p) * (p - q)).sum(axis=-1).mean()), float((exact.argmax(-1) == rounded.argmax(-1)).mean())


def run(owlet, *arguments, text=""):
    done = subprocess.run([owlet, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"owlet {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def with_tokenizer(folder, work):
    """The model beside a tokenizer, which `owlet convert` asks of a folder and which these have none of."""
    copy = work / folder.name
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    tokenizer = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
                 "decoder": None, "model": {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    return copy


def check_valid(path, report, name):
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    foreign = {node.op_type for node in model.graph.node if node.domain}
    report.check(not foreign, f"{name} graph", f"valid, {len(model.graph.node)} standard operators, opset {model.opset_import[0].version}")


def check_golden(folder, owlet, work, report):
    name = folder.name
    expected = read_safetensors(folder / "expected.safetensors")
    model = with_tokenizer(folder, work)
    exact_path, int8_path = work / f"{name}.onnx", work / f"{name}-int8.onnx"
    run(owlet, "convert", model, exact_path)
    run(owlet, "convert", model, int8_path, "--type", "int8")
    check_valid(exact_path, report, name)
    check_valid(int8_path, report, f"{name} int8")
    graph = Graph(exact_path)
    ids = expected["input_ids"]
    exact = graph.in_chunks(ids, [ids.shape[1]])
    error = relative_error(exact, expected["logits"])
    report.check(error <= TOLERANCE, f"{name} logits", f"{error:.1e}")
    error = relative_error(graph.in_chunks(ids[:, :20], [7, 1, 12]), expected["logits_first20"])
    report.check(error <= TOLERANCE, f"{name} logits in three pieces", f"{error:.1e}")
    if "greedy" in expected:
        prompt = ids[0, :int(expected["greedy_prompt_length"][0])]
        answer = graph.greedy(prompt, len(expected["greedy"]))
        report.check(answer == expected["greedy"].tolist(), f"{name} greedy", f"{len(answer)} tokens")
    error = padded_batch_error(graph, ids)
    report.check(error <= TOLERANCE, f"{name} padded batch", f"{error:.1e}")
    kl, agree = divergence(exact, Graph(int8_path).in_chunks(ids, [ids.shape[1]]))
    report.check(kl < 0.01, f"{name} int8", f"divergence {kl:.1e}, likeliest tokens agree {agree:.0%}")


def check_bundled(owlet, work, report):
    """The model that comes with the program, as a folder for transformers.js holds it, both types in one."""
    folder = work / "bundled"
    bundled = pathlib.Path(__file__).resolve().parents[2] / "models" / "owlet.gguf"
    run(owlet, "convert", bundled, folder, "--onnx")
    run(owlet, "convert", bundled, folder, "--onnx", "--type", "int8")
    tokens = {token["content"]: token["id"] for token in json.loads((folder / "tokenizer.json").read_text())["added_tokens"]}
    exact_path, int8_path = folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx"
    check_valid(exact_path, report, "bundled")
    check_valid(int8_path, report, "bundled int8")
    ratio = exact_path.stat().st_size / int8_path.stat().st_size
    report.check(ratio > 3.5, "bundled int8 size", f"{ratio:.2f} times smaller")
    exact, int8 = Graph(exact_path), Graph(int8_path)
    same, n_same, texts = True, 0, []
    for question in QUESTIONS:
        prompt = [int(i) for i in run(owlet, "tokenizer", "encode", question).split()] + [tokens["<q_end>"]]
        answers = [graph.greedy(prompt, 40, stop=[tokens["<a_end>"]]) for graph in (exact, int8)]
        thought = answers[0].index(tokens["<think_end>"]) + 1 if tokens["<think_end>"] in answers[0] else 0
        spoken = [id for id in answers[0][thought:] if id != tokens["<a_end>"]]
        decoded = run(owlet, "tokenizer", "decode", text=" ".join(map(str, spoken))).strip()
        same = same and decoded == run(owlet, "generate", "-p", question, "--temperature", 0, "--max-tokens", 40).strip()
        n_same += answers[0] == answers[1]
        texts.append(prompt + answers[0])
    report.check(same, "bundled greedy", f"{len(QUESTIONS)} answers as owlet gives them")
    numbers = [divergence(*(graph.in_chunks(np.array([text]), [len(text)]) for graph in (exact, int8))) for text in texts]
    kl, agree = np.mean(numbers, axis=0)
    report.check(kl < 0.02 and agree > 0.9, "bundled int8", f"divergence {kl:.1e}, likeliest tokens agree {agree:.0%}, {n_same} of {len(QUESTIONS)} answers the same")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--owlet", required=True)
    parser.add_argument("--golden", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or pathlib.Path(temporary)) / "onnx"
        work.mkdir(parents=True, exist_ok=True)
        checks = [(folder.name, lambda folder=folder: check_golden(folder, options.owlet, work, report))
                  for folder in sorted((options.golden / "hf").iterdir()) if (folder / "expected.safetensors").exists()]
        checks.append(("bundled", lambda: check_bundled(options.owlet, work, report)))
        for name, check in checks:
            try:
                check()
            except Exception as error:  # one model's failure is a line, and the others are still checked
                report.check(False, name, f"{type(error).__name__}: {error}")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
