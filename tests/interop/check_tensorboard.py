"""Event files of a training run, as TensorBoard reads them."""
import json
import shutil

import common
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def check(owlet, report):
    texts, config, out = owlet.work / "texts.jsonl", owlet.work / "tiny.yaml", owlet.work / "run"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in common.TEXTS * 3))
    questions = owlet.work / "questions.jsonl"
    questions.write_text("".join(json.dumps({"query": text, "choices": ["one", "two"], "gold": 1}) + "\n" for text in common.TEXTS))
    config.write_text(f"tokenizer: {owlet.small_tokenizer()}\nout: {out}\n"
                      f"data: {{train: [{texts}], valid: [{texts}], ask: ['Who, and why?'], choices: [{questions}]}}\n"
                      "model: {dim: 32, n_layers: 2, n_heads: 2, ffn_dim: 64, max_positions: 64}\n"
                      "train: {steps: 6, batch_rows: 2, seq_len: 32, eval_every: 3, checkpoint_every: 0}\n")
    shutil.rmtree(out, ignore_errors=True)
    owlet.run("pretrain", config, "--set", "train.steps=3")
    owlet.run("pretrain", config)
    events = EventAccumulator(str(out)).Reload()
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    for tag, key in (("train/loss", "loss"), ("train/learning_rate", "lr"), ("train/gradient_norm", "grad_norm"), ("valid/loss", "valid_loss")):
        ours = [(line["step"], line[key]) for line in lines if key in line]
        theirs = [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]
        same = len(ours) == len(theirs) and all(a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 * abs(a[1]) for a, b in zip(ours, theirs))
        report.check(same, tag, f"{len(theirs)} values")
    ours = [(line["step"], line["accuracy"]) for line in lines if "choices" in line]
    theirs = [(scalar.step, scalar.value) for scalar in events.Scalars("choices/questions")]
    report.check(len(ours) == 2 and all(a[0] == b[0] and abs(a[1] - b[1]) <= 1e-6 for a, b in zip(ours, theirs, strict=True)), "multiple choice")
    ours = [(line["step"], line["answer"]) for line in lines if "answer" in line]
    theirs = [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors("answers/Who, and why?")]
    report.check(len(ours) == 2 and ours == theirs, "answers", repr(ours[-1][1])[:60] if ours else "none")


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    report.attempt("event files", check, owlet, report)
    report.finish()


if __name__ == "__main__":
    main()
