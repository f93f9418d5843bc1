"""Adapter folders, PEFT's and those that Owlet trained: what Owlet computes with them, beside and merged into the weights, as PEFT does."""
import shutil

import common
import peft
import random_models
import torch
import transformers
from safetensors.numpy import load_file

TOLERANCE = 1e-4
PROMPT, GREEDY = 10, 24


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def check(owlet, report, base, adapter, row):
    name = adapter.name
    (plain,), _ = owlet.logits(base, [row])
    model = peft.PeftModel.from_pretrained(load(base), adapter).eval()
    theirs = random_models.logits(model, row)
    (ours,), answer = owlet.logits(base, [row], prompt=PROMPT, greedy=GREEDY, adapters=[adapter])
    error = common.relative_error(ours, theirs)
    after = random_models.logits(model, row[:PROMPT] + answer)[PROMPT - 1:-1]
    difference = common.greedy_difference(after, answer, TOLERANCE)
    moved = common.relative_error(plain, theirs)
    report.check(error <= TOLERANCE and not difference and moved > 100 * TOLERANCE, f"{name} beside the weights",
                 f"logits {error:.1e}, greedy {difference or 'equal'}; without it {moved:.1e}")

    merged = model.merge_and_unload()
    out = owlet.work / f"{name}-merged"
    owlet.run("convert", base, out, "--type", "f32", "--adapter", adapter)
    written = load(out)
    error = common.relative_error(random_models.logits(written, row), random_models.logits(merged, row))
    theirs = merged.state_dict()
    worst = max(common.relative_error(tensor.numpy(), theirs[key].numpy()) for key, tensor in written.state_dict().items())
    report.check(max(error, worst) <= TOLERANCE, f"{name} merged", f"logits {error:.1e}, weights {worst:.1e}")


def train(owlet, base, name, *settings):
    """A folder of adapters that Owlet trained on the base model."""
    texts, config, out = owlet.work / "adapter-texts.txt", owlet.work / "adapter.yaml", owlet.work / f"run-{name}"
    texts.write_text("".join(f"{text}\n" for text in common.TEXTS * 3))
    config.write_text(f"init: {base}\nout: {out}\ndata: {{train: [{texts}]}}\n"
                      "train: {steps: 8, batch_rows: 2, seq_len: 32, lr: 2e-2, warmup_steps: 0, precision: f32, checkpoint_every: 0}\n")
    shutil.rmtree(out, ignore_errors=True)
    owlet.run("finetune", config, *(part for setting in ("lora.rank=4", *settings) for part in ("--set", setting)))
    folder = owlet.work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(out / "step-00000008" / file, folder)
    return folder


def check_trained(owlet, report, base, row, name, *settings):
    check(owlet, report, base, train(owlet, base, name, *settings), row)


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    source, base = arguments.golden / "train" / "adamw", owlet.work / "base"
    shutil.rmtree(base, ignore_errors=True)
    shutil.copytree(owlet.small_tokenizer(256), base)
    for file in ("config.json", "model.safetensors"):
        shutil.copy(source / file, base)
    row = load_file(source / "batches.safetensors")["tokens"][0][0].tolist()
    for adapter in sorted((arguments.golden / "train" / "peft").glob("*/")):
        report.attempt(adapter.name, check, owlet, report, base, adapter, row)
    for name, *settings in (("trained-lora",), ("trained-rslora", "lora.rank_stabilized=true", "lora.layers=mlp.*"), ("trained-dora", "lora.magnitude=true"),
                            ("trained-one-layer", "lora.layers=layers.1.self_attn.q_proj", "lora.alpha=3", "lora.dropout=0.1")):
        report.attempt(name, check_trained, owlet, report, base, row, name, *settings)
    report.finish()


if __name__ == "__main__":
    main()
