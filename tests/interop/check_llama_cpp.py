"""GGUF files that Owlet writes, as llama.cpp runs them: logits and greedy tokens of every architecture and type, ids of every tokenizer."""
import concurrent.futures
import json
import multiprocessing
import shutil
import unicodedata

import common
import llama_cpp
import numpy as np
import random_models
from check_transformers import with_tokenizer
from safetensors.numpy import load_file

# llama.cpp looks gelu up in a table of halves, and rounds what it multiplies with halves to halves, with blocks to 8 bits.
TOLERANCE, OF_GELU, OF_HALVES = 1e-4, 5e-3, 2e-2
NEAREST_KL = 0.02  # nats per position, for weights in blocks
PROMPT, GREEDY = 12, 24
# llama.cpp has no normal forms, and its splitter for gpt-4o takes marks from their letters.
TEXTS = [text for text in common.TEXTS if unicodedata.normalize("NFC", text) == text]
PROMPTS = ["What is the capital of Peru?", "What is 12 + 30?", "Tell me a story."]


class AnotherProcess:
    """llama.cpp's asserts end the process they are in."""

    def __init__(self):
        self.pool = None

    def __call__(self, function, *arguments):
        self.pool = self.pool or concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            return self.pool.submit(function, *arguments).result(timeout=300)
        except concurrent.futures.process.BrokenProcessPool:
            self.pool = None
            raise


in_another_process = AnotherProcess()


def load(file, context):
    return llama_cpp.Llama(str(file), n_ctx=context, n_batch=512, n_ubatch=512, logits_all=True, verbose=False, n_threads=1, n_threads_batch=1,
                           type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32, flash_attn=False)


def run(file, row, context, steps):
    """Logits of a row in one pass, and likeliest tokens behind its first PROMPT ones, with their logits."""
    model = load(file, context)
    model.eval(row)
    logits, answer = model.scores[: len(row)].copy(), []
    model.reset()
    model.eval(row[:PROMPT])
    for _ in range(steps):
        answer.append(int(model.scores[model.n_tokens - 1].argmax()))
        model.eval(answer[-1:])
    return logits, answer


def tokenize(file, texts):
    model = load(file, 64)
    return [model.tokenize(text.encode(), add_bos=True, special=False) for text in texts], model.metadata.get("tokenizer.chat_template")


def check_model(owlet, report, name, folder, row, by_length):
    config = json.loads((folder / "config.json").read_text())
    steps = 0 if by_length else GREEDY
    if config["model_type"] in ("mistral", "phi3") and config.get("sliding_window"):
        row, steps = row[: config["sliding_window"]], 0  # llama.cpp gives these families no window
    file, tolerance = owlet.work / f"{name}.gguf", OF_GELU if "gemma" in name else TOLERANCE
    try:
        owlet.run("convert", folder, file, "--type", "f32")
    except RuntimeError as error:
        if "GGUF" in str(error):  # has no words for it, and says so
            return report.skip(name, str(error).splitlines()[0])
        raise
    # Factors that depend on length are fixed in llama.cpp by the context it is asked for, which is never below 256.
    theirs, answer = in_another_process(run, file, row, 64, steps)
    (ours,), our_answer = owlet.logits(file, [row], prompt=min(PROMPT, len(row)), greedy=steps)
    error = common.relative_error(ours, theirs)
    difference = ""
    if answer != our_answer:
        (after,), _ = owlet.logits(file, [row[:PROMPT] + answer])
        difference = common.greedy_difference(after[PROMPT - 1:-1], answer, tolerance)
    report.check(error <= tolerance and not difference, name, f"logits {error:.1e}, greedy {difference or ('equal' if answer else 'not asked')}")


def check_type(owlet, report, source, kind):
    file = owlet.work / f"bundled-{kind}.gguf"
    try:
        owlet.run("quantize", source, file, "--type", kind)
    except RuntimeError as error:
        if "needs a multiple" in str(error):
            return report.skip(f"bundled as {kind}", str(error).splitlines()[0])
        raise
    for text in PROMPTS:
        row = owlet.text(source, [text])["ids"][0]
        (ours,), _ = owlet.logits(file, [row])
        theirs, _ = in_another_process(run, file, row, 256, 0)
        error = common.relative_error(ours, theirs)
        p, q = (np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True) for x in (theirs.astype(float), ours.astype(float)))
        divergence, same = float((p * np.log(p / q)).sum(-1).mean()), int(ours[-1].argmax()) == int(theirs[-1].argmax())
        holds = error <= {"f32": TOLERANCE, "f16": OF_HALVES, "bf16": OF_HALVES}.get(kind, np.inf) and divergence <= NEAREST_KL and same
        report.check(holds, f"bundled as {kind}", f"{text!r}: logits {error:.1e}, {divergence:.1e} nats, first token {'the same' if same else 'DIFFERS'}")


def check_texts(owlet, report, name, file):
    texts = [text for text in TEXTS if not name.endswith("gpt4o") or not any(unicodedata.category(c).startswith("M") for c in text)]
    ours = owlet.text(file, texts)
    theirs, template = in_another_process(tokenize, file, texts)
    wrong = [(text, a, b) for text, a, b in zip(texts, ours["ids"], theirs) if a != b]
    report.check(not wrong, f"{name}: ids", f"of {len(texts)} texts" + (f"; different: {wrong[:3]}" if wrong else ""))
    return template


def check_tokenizer(owlet, report, source):
    """A model of one layer around the tokenizer."""
    folder, file = owlet.work / source.name, owlet.work / f"tokenizer-{source.name}.gguf"
    vocab = json.loads((source / "tokenizer.json").read_text())
    size = 1 + max([*(vocab["model"]["vocab"].values() if isinstance(vocab["model"]["vocab"], dict) else [len(vocab["model"]["vocab"]) - 1]),
                    *(token["id"] for token in vocab["added_tokens"])])
    config = {**random_models.BASE, "model_type": "llama", "vocab_size": size + 5, "num_hidden_layers": 1, "hidden_size": 12}
    shutil.rmtree(folder, ignore_errors=True)
    random_models.build(source.name, config).save_pretrained(folder)
    shutil.copy(source / "tokenizer.json", folder)
    try:
        owlet.run("convert", folder, file)
    except RuntimeError as error:
        if "GGUF cannot hold" in str(error):
            return report.skip(source.name, str(error).splitlines()[0][:150])
        raise
    check_texts(owlet, report, f"tokenizers/{source.name}", file)


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    for source in sorted(arguments.golden.glob("hf/*/")):
        row = load_file(source / "expected.safetensors")["input_ids"][0].tolist()
        by_length = random_models.depends_on_length(json.loads((source / "config.json").read_text()))
        folder = with_tokenizer(owlet, source, source.name.replace("phi", "ph"))
        report.attempt(source.name, check_model, owlet, report, source.name, folder, row, by_length)
    for name, config in random_models.cases():
        folder = owlet.work / name.replace("phi", "ph")  # llama.cpp looks for more tokens where a model's name is phi3
        shutil.rmtree(folder, ignore_errors=True)
        random_models.build(name, config).save_pretrained(folder)
        for file in owlet.small_tokenizer().iterdir():
            shutil.copy(file, folder)
        row, by_length = random_models.rows(name, config["vocab_size"])[0], random_models.depends_on_length(config)
        if by_length and config.get("original_max_position_embeddings", 4096 if config["model_type"] == "phi3" else 0) > len(row):
            report.skip(name, "a text shorter than the original context, which llama.cpp rotates as a long one")
            continue
        report.attempt(name, check_model, owlet, report, name, folder, row, by_length)
    bundled = common.bundled_model()
    for kind in common.written_types(owlet):
        report.attempt(kind, check_type, owlet, report, bundled, kind)
    template = check_texts(owlet, report, "the bundled model", bundled)
    back = owlet.work / "bundled"
    owlet.run("convert", bundled, back)
    same = template == json.loads((back / "tokenizer_config.json").read_text())["chat_template"]
    report.check(same, "the bundled model: chat template")
    for source in sorted(arguments.golden.glob("tokenizers/*/")):
        if (source / "tokenizer.json").exists():
            report.attempt(source.name, check_tokenizer, owlet, report, source)
    report.finish()


if __name__ == "__main__":
    main()
