"""`fine_tune` beside plain `Trainer` with its defaults, in one run on the same pairs: pairs per second, and quality over seeds.

    python bench/training.py [--seeds N] [--epochs N] [--steps N] [--rounds N] [--only NAME] [--save FILE]

The data are MRPC where the setting HFCOURSE_DATA_MRPC names it, else the pairs that ship. Three contenders train the body with a
new head, all in batches of 16. `plain` is `Trainer` with its defaults: fp32, random batches, the rate 5e-5. `defaults` is `fine_tune`
with its own. `recipe` is `fine_tune` as in lesson 10 and in the README's script: an open pooler, embeddings and two layers frozen, no
dropout, the rate 1.5e-4. Quality: whole trainings, once a seed; accuracy and F1 are those of the last epoch on the validation split,
which no choice was made on. Speed: the whole trainings too, or with `--steps` above 0 that many steps of each in turn, round by round,
so that a machine whose speed drifts is fair to all. The seconds of `fine_tune` have its checks and its evaluations in them; those of
`plain` are of the training alone. `--seeds 0` leaves quality out. `--fp32` shows `fine_tune` where bf16 is not multiplied. On the pairs
that ship, the recipe's first seed is also tried on the test split, beside the cosine of lesson 04.
"""
import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import transformers
from scipy.stats import bootstrap, t

from hfcourse import assets
from hfcourse.ground.loading import load_model, load_tokenizer
from hfcourse.pairs import cosine_baseline
from hfcourse.training import fine_tune


def figures(outputs) -> dict[str, float]:
    "Accuracy, and F1 of the label 1."
    answers, truth = np.argmax(outputs.predictions, axis=-1), outputs.label_ids
    return {"accuracy": float((answers == truth).mean()), "f1": float(2 * (answers * truth).sum() / max(1, (answers + truth).sum()))}


def encoded(task: str, tokenizer) -> dict:
    "Pairs as ids and labels, split by split."
    with assets.quiet():
        data = assets.dataset(task).map(lambda rows: tokenizer(rows["sentence1"], rows["sentence2"], truncation=True), batched=True)
    return {split: rows.select_columns([*tokenizer.model_input_names, "label"]) for split, rows in data.items()}


def plain_trainer(tokenizer, data: dict, *, seed: int, folder: str, epochs: int = 3, steps: int = -1) -> transformers.Trainer:
    "A `Trainer` with the library's defaults, in batches of 16."
    torch.manual_seed(seed)
    model = load_model("minilm", transformers.AutoModelForSequenceClassification, new_head=True, num_labels=2)
    arguments = transformers.TrainingArguments(
        folder, num_train_epochs=epochs, max_steps=steps, per_device_train_batch_size=16, per_device_eval_batch_size=64, seed=seed,
        save_strategy="no", report_to="none", disable_tqdm=True, log_level="error", use_cpu=assets.device().type == "cpu")
    trainer = transformers.Trainer(model, arguments, train_dataset=data["train"], eval_dataset=data["validation"],
                                   processing_class=tokenizer, compute_metrics=figures)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def plain(tokenizer, data: dict, epochs: int, seed: int) -> dict[str, float]:
    "One training with plain `Trainer`: its figures and seconds."
    with tempfile.TemporaryDirectory() as folder, assets.quiet():
        trainer = plain_trainer(tokenizer, data, seed=seed, folder=folder, epochs=epochs)
        began = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - began
        found = trainer.evaluate()
    return {"accuracy": found["eval_accuracy"], "f1": found["eval_f1"], "seconds": seconds}


def recipe(seed: int) -> transformers.PreTrainedModel:
    "The classifier of lesson 10 before its training."
    torch.manual_seed(seed)
    model = load_model("minilm", transformers.AutoModelForSequenceClassification, new_head=True,
                       num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    torch.nn.init.eye_(model.base_model.pooler.dense.weight)
    for part in (model.base_model.embeddings, *model.base_model.encoder.layer[:2]):
        part.requires_grad_(False)
    return model


def ours(tokenizer, data: dict, epochs: int, seed: int, *, by_recipe: bool, precision: str = "auto") -> dict[str, float]:
    "One training with `fine_tune`, its last epoch: its figures and seconds, checks and evaluations included."
    model, rate = (recipe(seed), {"learning_rate": 1.5e-4}) if by_recipe else ("minilm", {})
    both = {split: data[split] for split in ("train", "validation")}
    done = fine_tune(model, tokenizer, both, epochs=epochs, seed=seed, best=None, compute_metrics=figures, show=False,
                     precision=precision, **rate)
    return {name: done.scores["validation"][name] for name in ("accuracy", "f1")} | {"seconds": done.seconds}


def contenders(precision: str = "auto") -> dict[str, Callable[..., dict[str, float]]]:
    "What trains, by its name; `fine_tune` in the precision that is asked for."
    return {"plain": plain, "defaults": partial(ours, by_recipe=False, precision=precision),
            "recipe": partial(ours, by_recipe=True, precision=precision)}


def some_rows(data: dict, steps: int, seed: int) -> dict:
    "As many training pairs as the steps take, drawn at random; the evaluation of a few."
    chosen = np.random.default_rng(seed).permutation(len(data["train"]))[:16 * steps]
    return {"train": data["train"].select(chosen), "validation": data["validation"].select(range(2))}


def beside_cosine(tokenizer, data: dict, test, precision: str) -> dict:
    "The recipe's first seed on the test split: its accuracy, that of the cosine, and the paired bootstrap of their difference."
    done = fine_tune(recipe(0), tokenizer, data, epochs=1, learning_rate=1.5e-4, best=None, show=False, precision=precision)
    outputs = done.trainer.predict(data["test"])
    by_model = np.argmax(outputs.predictions, axis=-1) == outputs.label_ids
    by_cosine = np.array(cosine_baseline(test["train"].select(range(300)), test["test"]).right)

    def gain(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        "By how much the share of right answers is larger."
        return one.mean(axis) - other.mean(axis)
    low, high = bootstrap((by_model, by_cosine), gain, paired=True, method="percentile", batch=500, rng=0).confidence_interval
    print(f"recipe, seed 0, {len(by_model)} test pairs: {by_model.mean():.3f} in {done.seconds:.0f} s, cosine {by_cosine.mean():.3f}, "
          f"difference {low:.3f} to {high:.3f} (95 %)", flush=True)
    return {"rows": len(by_model), "accuracy": float(by_model.mean()), "cosine": float(by_cosine.mean()),
            "low": float(low), "high": float(high), "seconds": done.seconds}


def speeds(tokenizer, data: dict, steps: int, rounds: int, precision: str) -> dict[str, list[float]]:
    "Pairs per second of each, round by round, over the same pairs in the same number of steps."
    found: dict[str, list[float]] = {name: [] for name in contenders()}
    for number in range(rounds):
        few = some_rows(data, steps, number)
        for name, train in contenders(precision).items():
            found[name].append(len(few["train"]) / train(tokenizer, few, 1, number)["seconds"])
        rates = ", ".join(f"{name} {rates[-1]:.1f}" for name, rates in found.items())
        print(f"round {number}: {len(few['train'])} pairs, {rates} pairs/s", flush=True)
    return found


def interval(values: list[float]) -> tuple[float, float]:
    "Student's 95 % interval of the mean over seeds."
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.mean(values) - half, statistics.mean(values) + half


def report(runs: dict[str, list[dict]], pairs: int) -> dict[str, dict]:
    "For each contender its mean figures with their intervals, its speed, and both beside plain; printed and returned."
    found = {}
    for name, some in runs.items():
        found[name] = {"runs": some, "rate": statistics.median(pairs / run["seconds"] for run in some)}
        for figure in ("accuracy", "f1"):
            values = [run[figure] for run in some]
            low, high = interval(values)
            found[name][figure] = statistics.mean(values)
            print(f"{name:8} {figure} {found[name][figure]:.3f}, 95 % interval over {len(values)} seeds {low:.3f} to {high:.3f}")
        print(f"{name:8} {found[name]['rate']:.1f} pairs/s")
        if name != "plain" and "plain" in runs:
            beside = list(zip(some, runs["plain"], strict=True))
            found[name]["gain"] = interval([mine["f1"] - its["f1"] for mine, its in beside])
            found[name]["ratio"] = statistics.median(its["seconds"] / mine["seconds"] for mine, its in beside)
            low, high = found[name]["gain"]
            print(f"{name:8} F1 over plain: 95 % interval {low:+.3f} to {high:+.3f}; {found[name]['ratio']:.2f} times the pairs per second")
    return found


def main() -> None:
    "Measure, print and save."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, what in (("seeds", 3, "trainings of each for quality"), ("epochs", 0, "passes; 0: 3 on MRPC, 1 on the pairs"),
                                ("steps", 0, "steps of each for speed; 0: the whole trainings"), ("rounds", 3, "rounds for speed")):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default})")
    parser.add_argument("--only", choices=contenders(), nargs="+", default=list(contenders()), help="quality of these alone")
    parser.add_argument("--fp32", action="store_true", help="fine_tune without bf16")
    parser.add_argument("--save", type=Path, help="a JSON file for the figures")
    args = parser.parse_args()
    task = "mrpc" if os.environ.get("HFCOURSE_DATA_MRPC") else "pairs"
    epochs = args.epochs or {"mrpc": 3, "pairs": 1}[task]
    precision = assets.precision("fp32" if args.fp32 else "auto")
    tokenizer = load_tokenizer("minilm")
    data = encoded(task, tokenizer)
    found = {"task": task, "pairs": len(data["train"]), "rows": len(data["validation"]), "epochs": epochs, "seeds": args.seeds,
             "precision": precision, "threads": torch.get_num_threads()}
    print(f"{task}: {found['pairs']} training pairs, fine_tune in {found['precision']}, {found['threads']} threads", flush=True)
    if task == "pairs":
        found["test"] = beside_cosine(tokenizer, data, assets.dataset(task), precision)
    if args.steps:
        rates = speeds(tokenizer, data, args.steps, args.rounds, precision)
        ratios = {name: statistics.median(a / b for a, b in zip(rates[name], rates["plain"], strict=True)) for name in rates}
        found["speed"] = {"rates": rates, "ratios": ratios}
        print(", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()), "times the pairs per second of plain")
    if args.seeds:
        runs: dict[str, list[dict]] = {name: [] for name in args.only}
        for seed in range(args.seeds):
            for name in args.only:
                runs[name].append(contenders(precision)[name](tokenizer, data, epochs, seed))
                print(f"{name}, seed {seed}: {runs[name][-1]}", flush=True)
        found["quality"] = report(runs, found["pairs"] * epochs)
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
