"""Random models of every family: Owlet's logits and greedy tokens beside transformers', from config.json in its form of version 4 and 5."""
import json
import shutil

import common
import random_models

TOLERANCE = 1e-4
PROMPT, GREEDY = 24, 24


def compare(owlet, report, model, config, folder, text):
    """Owlet's numbers of a folder beside those of the model in it."""
    by_length = random_models.depends_on_length(config)
    rows = random_models.rows(folder.name, model.config.vocab_size)
    ours, answer = owlet.logits(folder, rows, prompt=PROMPT, greedy=GREEDY)
    theirs = [random_models.logits(model, row) for row in reversed(rows)][::-1]
    errors = [common.relative_error(a, b) for a, b in zip(ours, theirs)]
    holds, found = max(errors) <= TOLERANCE, "logits " + ", ".join(f"{error:.1e}" for error in errors)
    if not by_length:
        after = random_models.logits(model, rows[0][:PROMPT] + answer)[PROMPT - 1:-1]
        difference = common.greedy_difference(after, answer, TOLERANCE)
        holds, found = holds and not difference, f"{found}, greedy {difference or 'equal'}"
    report.check(holds, f"{folder.name}, {text}", found)


def check(owlet, report, name, config):
    model = random_models.build(name, config)
    folder = owlet.work / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    compare(owlet, report, model, config, folder, "config of version 5")
    (folder / "config.json").write_text(json.dumps({"architectures": model.config.architectures, **config}))
    compare(owlet, report, model, config, folder, "config of version 4")


def main():
    arguments = common.arguments(__doc__)
    report, owlet = common.Report(), common.Owlet(arguments.owlet, arguments.work)
    for name, config in random_models.cases():
        report.attempt(name, check, owlet, report, name, config)
    report.finish()


if __name__ == "__main__":
    main()
