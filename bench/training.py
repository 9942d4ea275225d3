"""`fine_tune` beside plain `Trainer` with its defaults, in one run on the same pairs: pairs per second, and quality over seeds.

    python bench/training.py [--seeds N] [--epochs N] [--steps N] [--rounds N] [--save FILE]

The data are MRPC where the setting HFCOURSE_DATA_MRPC names it, else the pairs that ship. Quality: each contender trains the body
with a new head for the given epochs, once a seed; accuracy and F1 are those of the last epoch on the validation split, which no
choice was made on. Speed: with `--steps` above 0, each trains that many steps in turn, round by round, so that a machine whose speed
drifts is fair to both; without it, the ratio is that of the whole trainings. Plain `Trainer` computes in fp32, with random batches of
16, and the rate that its documentation's GLUE example takes, 5e-5; `fine_tune` has its own defaults. `--seeds 0` leaves quality out.
"""
import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from scipy.stats import t

from hfcourse import assets
from hfcourse.training import fine_tune


def figures(outputs) -> dict[str, float]:
    "Accuracy, and F1 of the label 1."
    answers, truth = np.argmax(outputs.predictions, axis=-1), outputs.label_ids
    return {"accuracy": float((answers == truth).mean()), "f1": float(2 * (answers * truth).sum() / max(1, (answers + truth).sum()))}


def encoded(task: str, tokenizer) -> dict:
    "Training and validation pairs as ids and labels."
    with assets.quiet():
        data = assets.dataset(task).map(lambda rows: tokenizer(rows["sentence1"], rows["sentence2"], truncation=True), batched=True)
    return {split: data[split].select_columns([*tokenizer.model_input_names, "label"]) for split in ("train", "validation")}


def plain_trainer(tokenizer, data: dict, *, seed: int, folder: str, epochs: int = 3, steps: int = -1) -> transformers.Trainer:
    "A `Trainer` with the library's defaults, in batches of 16."
    torch.manual_seed(seed)
    with assets.quiet():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(assets.checkpoint("minilm"), num_labels=2)
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


def ours(tokenizer, data: dict, epochs: int, seed: int) -> dict[str, float]:
    "One training with `fine_tune`, its last epoch: its figures and seconds, checks and evaluations included."
    done = fine_tune("minilm", tokenizer, data, epochs=epochs, seed=seed, best=None, compute_metrics=figures, show=False)
    return {name: done.scores["validation"][name] for name in ("accuracy", "f1")} | {"seconds": done.seconds}


def some_rows(data: dict, steps: int, seed: int) -> dict:
    "As many training pairs as the steps take, drawn at random; the evaluation of a few."
    chosen = np.random.default_rng(seed).permutation(len(data["train"]))[:16 * steps]
    return {"train": data["train"].select(chosen), "validation": data["validation"].select(range(2))}


def speeds(tokenizer, data: dict, steps: int, rounds: int) -> dict[str, list[float]]:
    "Pairs per second of both, round by round, over the same pairs in the same number of steps."
    found: dict[str, list[float]] = {"plain": [], "fine_tune": []}
    for number in range(rounds):
        few = some_rows(data, steps, number)
        pairs = len(few["train"])
        found["plain"].append(pairs / plain(tokenizer, few, 1, number)["seconds"])
        found["fine_tune"].append(pairs / ours(tokenizer, few, 1, number)["seconds"])
        print(f"round {number}: {pairs} pairs, plain {found['plain'][-1]:.1f}, fine_tune {found['fine_tune'][-1]:.1f} pairs/s", flush=True)
    return found


def interval(values: list[float]) -> tuple[float, float]:
    "Student's 95 % interval of the mean over seeds."
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.mean(values) - half, statistics.mean(values) + half


def report(runs: dict[str, list[dict]]) -> dict:
    "A line a seed, the means with their intervals, and the difference in F1; printed and returned."
    for name, some in runs.items():
        for seed, run in enumerate(some):
            print(f"{name:10} seed {seed}: accuracy {run['accuracy']:.3f}, F1 {run['f1']:.3f}, {run['seconds']:.0f} s")
        for figure in ("accuracy", "f1"):
            values = [run[figure] for run in some]
            low, high = interval(values)
            print(f"{name:10} {figure} {statistics.mean(values):.3f}, 95 % interval over {len(values)} seeds {low:.3f} to {high:.3f}")
    gains = [a["f1"] - b["f1"] for a, b in zip(runs["fine_tune"], runs["plain"], strict=True)]
    low, high = interval(gains)
    print(f"F1 of fine_tune over plain: {statistics.mean(gains):+.3f}, interval {low:+.3f} to {high:+.3f}")
    ratios = [b["seconds"] / a["seconds"] for a, b in zip(runs["fine_tune"], runs["plain"], strict=True)]
    print(f"whole trainings: fine_tune {statistics.median(ratios):.2f} times the pairs per second of plain")
    return {**runs, "gain": [low, high], "ratios": ratios}


def main() -> None:
    "Measure, print and save."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, what in (("seeds", 3, "trainings of each for quality"), ("epochs", 3, "passes of each"),
                                ("steps", 60, "steps of each for speed; 0: the whole trainings"), ("rounds", 3, "rounds for speed")):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default})")
    parser.add_argument("--only", choices=["fine_tune"], help="quality of this one alone")
    parser.add_argument("--save", type=Path, help="a JSON file for the figures")
    args = parser.parse_args()
    task = "mrpc" if os.environ.get("HFCOURSE_DATA_MRPC") else "pairs"
    tokenizer = transformers.AutoTokenizer.from_pretrained(assets.checkpoint("minilm"))
    data = encoded(task, tokenizer)
    found = {"task": task, "pairs": len(data["train"]), "precision": assets.precision(), "threads": torch.get_num_threads()}
    print(f"{task}: {found['pairs']} training pairs, fine_tune in {found['precision']}, {found['threads']} threads")
    if args.steps:
        rates = speeds(tokenizer, data, args.steps, args.rounds)
        found["speed"] = rates | {"ratio": statistics.median(a / b for a, b in zip(rates["fine_tune"], rates["plain"], strict=True))}
        print(f"fine_tune: {found['speed']['ratio']:.2f} times the pairs per second of plain Trainer")
    if args.seeds and args.only:
        found["fine_tune"] = [ours(tokenizer, data, args.epochs, seed) for seed in range(args.seeds)]
        print(*found["fine_tune"], sep="\n")
    elif args.seeds:
        contenders = {"plain": plain, "fine_tune": ours}
        runs: dict[str, list[dict]] = {name: [] for name in contenders}
        for seed in range(args.seeds):
            for name, train in contenders.items():
                runs[name].append(train(tokenizer, data, args.epochs, seed))
                print(f"{name}, seed {seed}: {runs[name][-1]}", flush=True)
        found["quality"] = report(runs)
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
