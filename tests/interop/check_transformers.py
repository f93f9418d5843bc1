"""Hugging Face folders that Owlet writes, as transformers reads them: logits, greedy tokens, ids, chats, advice."""
import json
import shutil

import common
import numpy as np
import random_models
import torch
import transformers
from safetensors.numpy import load_file

TOLERANCE = 1e-4
PROMPT, GREEDY = 10, 24
# What transformers reads of a GGUF completely; of the others it drops biases, widths of heads, windows or scalings.
READ_FROM_GGUF = ("llama2", "qwen2")


def load(folder, **more):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **more).eval()


def compare(owlet, report, name, folder, row, by_length=False, model=None, ours_of=None):
    """Owlet's numbers of `ours_of` beside transformers' of the folder."""
    model = model or load(folder)
    (ours,), answer = owlet.logits(ours_of or folder, [row], prompt=PROMPT, greedy=0 if by_length else GREEDY)
    error = common.relative_error(ours, random_models.logits(model, row))
    difference = ""
    if answer:
        after = random_models.logits(model, list(row[:PROMPT]) + answer)[PROMPT - 1:-1]
        difference = common.greedy_difference(after, answer, TOLERANCE)
    report.check(error <= TOLERANCE and not difference, name, f"logits {error:.1e}, greedy {difference or ('equal' if answer else 'not asked')}")


def with_tokenizer(owlet, source, name=None):
    """A copy of a model's folder that has a tokenizer, which converting asks for."""
    folder = owlet.work / (name or source.name)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    for file in owlet.small_tokenizer().iterdir():
        shutil.copy(file, folder)
    return folder


def check_model(owlet, report, source):
    name, folder = source.name, with_tokenizer(owlet, source)
    row = load_file(source / "expected.safetensors")["input_ids"][0].tolist()
    by_length = random_models.depends_on_length(json.loads((source / "config.json").read_text()))
    for dtype in ("f32", "bf16"):
        out = owlet.work / f"{name}-{dtype}"
        owlet.run("convert", folder, out, "--type", dtype)
        compare(owlet, report, f"{name} as {dtype}", out, row, by_length)
    if name == "llama-dynamic":
        return  # GGUF has no name for it
    gguf, back = owlet.work / f"{name}.gguf", owlet.work / f"{name}-back"
    owlet.run("convert", folder, gguf, "--type", "f32")
    owlet.run("convert", gguf, back, "--type", "f32")
    compare(owlet, report, f"{name} to GGUF and back", back, row, by_length, ours_of=folder)
    if name in READ_FROM_GGUF:
        compare(owlet, report, f"{name} as GGUF", None, row, model=load(owlet.work, gguf_file=gguf.name), ours_of=gguf)


def check_grouped_heads(owlet, report, source):
    folder, out = with_tokenizer(owlet, source), owlet.work / "grouped"
    owlet.run("convert", folder, out, "--type", "f32", "--kv-heads", 2)
    compare(owlet, report, f"{source.name} with --kv-heads 2", out, load_file(source / "expected.safetensors")["input_ids"][0].tolist())


def check_stretched(owlet, report, source, how):
    folder, out = with_tokenizer(owlet, source), owlet.work / "stretched"
    owlet.run("convert", folder, out, "--type", "f32", "--rope-scaling", how)
    row = load_file(source / "expected.safetensors")["input_ids"][0].tolist()
    compare(owlet, report, f"{source.name} with --rope-scaling {how}", out, row, how.startswith("dynamic"))


def check_homemade(owlet, report, source):
    expected = load_file(source / "expected.safetensors")
    ids = next(value for name, value in expected.items() if "ids" in name)
    out = owlet.work / "homemade"
    owlet.run("convert", source / "model.pt", out, "--type", "f32")
    compare(owlet, report, "homemade/model.pt", out, ids.reshape(-1, ids.shape[-1])[0].tolist())
    check_texts(owlet, report, "homemade", out)


def check_texts(owlet, report, name, folder):
    ours = owlet.text(folder, common.TEXTS, common.CHATS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wrong = [text for text, ids in zip(common.TEXTS, ours["ids"]) if tokenizer(text)["input_ids"] != ids]
    report.check(not wrong, f"{name}: AutoTokenizer's ids", f"of {len(common.TEXTS)} texts; different: {wrong}" if wrong else f"of {len(common.TEXTS)} texts")
    wrong = [ids for text, ids in zip(ours["decoded"], ours["ids"]) if tokenizer.decode(ids, clean_up_tokenization_spaces=False) != text]
    report.check(not wrong, f"{name}: AutoTokenizer's texts", f"different: {wrong}" if wrong else "")
    theirs = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in common.CHATS]
    report.check(theirs == ours["rendered"], f"{name}: apply_chat_template", f"{len(theirs)} chats")
    model = load(folder)
    advice = model.generation_config
    stops = advice.eos_token_id if isinstance(advice.eos_token_id, list) else [advice.eos_token_id]
    report.check(sorted(stops) == sorted(ours["stop_ids"]), f"{name}: what ends an answer", f"transformers {stops}, Owlet {ours['stop_ids']}")
    same = all(getattr(advice, key) is None or np.isclose(getattr(advice, key), ours[key]) for key in ("temperature", "top_p", "top_k"))
    report.check(same, f"{name}: generation_config.json", f"temperature {advice.temperature}, top_p {advice.top_p}, top_k {advice.top_k}")


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    for source in sorted(arguments.golden.glob("hf/*/")):
        report.attempt(source.name, check_model, owlet, report, source)
    hf = arguments.golden / "hf"
    report.attempt("--kv-heads", check_grouped_heads, owlet, report, hf / "llama2")
    for how in ("yarn:4", "linear:2", "dynamic:2"):
        report.attempt(how, check_stretched, owlet, report, hf / "qwen2", how)
    report.attempt("homemade", check_homemade, owlet, report, arguments.golden / "homemade")
    bundled = owlet.work / "bundled"
    owlet.run("convert", common.bundled_model(), bundled, "--type", "bf16")
    report.attempt("bundled", check_texts, owlet, report, "the bundled model", bundled)
    report.finish()


if __name__ == "__main__":
    main()
