"""lm-evaluation-harness through the server (its model `local-completions`, with the server's own tokenizer) scores as `owlet eval` does."""
import argparse
import json
import os
import pathlib

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import common
import lm_eval
import zstandard
from lm_eval.tasks import TaskManager

CONTEXT = 512
LIMIT = 400  # questions of each set
CHOICES = {"output_type": "multiple_choice", "doc_to_text": "query", "doc_to_choice": "choices", "doc_to_target": "gold",
           "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")]}
WORDS = {"output_type": "loglikelihood", "doc_to_text": "context", "doc_to_target": "continuation", "target_delimiter": "",
         "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]}
SETS = {"hellaswag": CHOICES, "arc_easy": CHOICES, "lambada": WORDS}


def first_questions(source, target, limit):
    with zstandard.open(source, "rt", encoding="utf-8") as lines:
        target.write_text("".join(line for line, _ in zip(lines, range(limit))))


def by_owlet(options, file):
    owlet = common.Owlet(options.owlet, options.work)
    result = json.loads(owlet.run("eval", "-m", options.model, file, "--context", CONTEXT, "--json"))["results"][0]
    return {metric: result[metric] for metric in ("acc", "acc_norm")}


def by_harness(url, name, settings, file):
    task = {"task": f"owlet_{name}", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(file)}}, "test_split": "test", **settings}
    results = lm_eval.simple_evaluate(
        model="local-completions", tasks=[task], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0, log_samples=False,
        model_args={"base_url": f"{url}/v1/completions", "model": "", "tokenizer_backend": "remote", "max_length": CONTEXT + 2, "batch_size": 16,
                    "num_concurrent": 1, "max_retries": 1})
    found = results["results"][f"owlet_{name}"]
    return {metric: found[f"{metric},none"] for metric in ("acc", "acc_norm") if f"{metric},none" in found}


def check_set(options, report, url, name, settings):
    source = options.data / "eval" / f"{name}.jsonl.zst"
    if not source.exists():
        return report.skip(name, "not in the data folder")
    file = options.work.absolute() / f"{name}.jsonl"
    first_questions(source, file, options.limit)
    ours, theirs = by_owlet(options, file), by_harness(url, name, settings, file)
    for metric, value in theirs.items():
        report.check(abs(ours[metric] - value) < 1e-9, f"{name}: {metric}", f"ours {ours[metric]:.4f}, the harness's {value:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owlet", type=pathlib.Path, required=True)
    parser.add_argument("--golden", help="not needed")
    parser.add_argument("--data", type=pathlib.Path, help="a folder with eval/NAME.jsonl.zst; nothing is checked without")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--model", default=common.bundled_model())
    parser.add_argument("--limit", type=int, default=LIMIT, help="questions of each set")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    report = common.Report()
    if options.data is None:
        report.skip("lm-eval", "no data")
        report.finish()
    with common.Server(options.owlet, "-m", options.model, "--kv-type", "f32") as server:
        for name, settings in SETS.items():
            report.attempt(name, check_set, options, report, server.url, name, settings)
    report.finish()


if __name__ == "__main__":
    main()
