"""Random batches, batches of like length, and token budgets: time and accuracy over seeds, in one run.

    python bench/collation.py [--seeds N...] [--ways NAME...] [--epochs N] [--data NAME] [--save FILE]

Trains MiniLM on sentence pairs as lesson 04 does, once for each seed and each way to batch: random batches of 16 as `Trainer`
makes them, `grouped` as its group_by_length makes them, and `token_budget`, whose batches take as many places as 16 rows of mean
length. The same weights to begin with, the same rate, the same number of epochs. The ways take turns within a seed, so that a
machine whose speed drifts is fair to all; a ratio compares two runs of one seed. `--data mrpc` with HFCOURSE_DATA_MRPC=FOLDER
trains on MRPC and is scored on its validation set; without it the pairs that ship are used, and their test split.
"""
import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup

from hfcourse import assets
from hfcourse.collation import collate, padding_cost
from hfcourse.ground.loading import load_model, load_tokenizer
from hfcourse.ground.tables import text_columns

WAYS = {"random": "dynamic", "grouped": "grouped", "token_budget": "token_budget"}


def fresh(seed: int) -> torch.nn.Module:
    "The body with a new head, as lesson 04 prepares it: identity pooler, first layers frozen, no dropout."
    torch.manual_seed(seed)
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attn_implementation": "eager"}
    model = load_model("minilm", AutoModelForSequenceClassification, new_head=True, num_labels=2, **settings)
    torch.nn.init.eye_(model.base_model.pooler.dense.weight)
    for frozen in (model.base_model.embeddings, *model.base_model.encoder.layer[:2]):
        frozen.requires_grad_(False)
    return model.to(assets.device())


def rows_of(split, tokenizer) -> list[dict]:
    "The pairs of a split as features."
    encoded = tokenizer(*(split[column][:] for column in text_columns(split)), truncation=True)
    return [{**{name: encoded[name][i] for name in encoded}, "label": label} for i, label in enumerate(split["label"][:])]


def batch_of(rows: list[dict], chosen: list[int], tokenizer) -> dict:
    "Some rows as a batch where the model is."
    return {name: tensor.to(assets.device()) for name, tensor in collate([rows[i] for i in chosen], tokenizer).items()}


def run(way: str, seed: int, epochs: int, train: list[dict], test: list[dict], tokenizer) -> dict:
    "One training: its steps, places, seconds and accuracy; grouped batches come in the library's own order."
    model, lengths = fresh(seed), [len(row["input_ids"]) for row in train]
    plans = [padding_cost(lengths, strategy=WAYS[way], seed=1000 * epoch + seed).plan for epoch in range(epochs)]
    rng = np.random.default_rng(seed)
    steps = [plan[i] for plan in plans for i in (rng.permutation(len(plan)) if way == "token_budget" else range(len(plan)))]
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1.5e-4, weight_decay=0.01, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, len(steps) // 10, len(steps))
    short, kind = assets.precision() == "bf16", assets.device().type
    began = time.perf_counter()
    for chosen in steps:
        with torch.autocast(kind, torch.bfloat16, enabled=short):
            loss = model(**batch_of(train, chosen, tokenizer)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    seconds = time.perf_counter() - began
    model.eval()
    right = 0
    for chosen in padding_cost(test, strategy="grouped", batch_size=50).plan:
        batch = batch_of(test, chosen, tokenizer)
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=short):
            right += int((model(**batch).logits.argmax(-1) == batch["labels"]).sum())
    places = sum(len(chosen) * max(lengths[i] for i in chosen) for chosen in steps)
    return {"way": way, "seed": seed, "steps": len(steps), "places": places, "seconds": seconds, "accuracy": right / len(test)}


def report(runs: list[dict]) -> None:
    "Per seed and way: accuracy, and time beside random batches of the same seed; then the means."
    alone = {run["seed"]: run for run in runs if run["way"] == "random"}
    for way in dict.fromkeys(run["way"] for run in runs):
        mine = [run for run in runs if run["way"] == way]
        accuracies = [run["accuracy"] for run in mine]
        ratios = [alone[run["seed"]]["seconds"] / run["seconds"] for run in mine if run["seed"] in alone]
        spread = f" ± {statistics.stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
        faster = f"{statistics.median(ratios):5.2f} times as fast as random" if ratios else ""
        print(f"{way:13} {mine[0]['steps']:5} steps {mine[0]['places']:8} places   accuracy "
              f"{' '.join(f'{one:.3f}' for one in accuracies)}   mean {statistics.mean(accuracies):.3f}{spread}   {faster}")


def main() -> None:
    "Train each way with each seed, and print what came of it."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--data", default="mrpc" if os.environ.get("HFCOURSE_DATA_MRPC") else "pairs", choices=["pairs", "mrpc"])
    parser.add_argument("--save", type=Path, help="a JSON file for the figures; runs that it holds already are not run again")
    args = parser.parse_args()
    tokenizer, data = load_tokenizer("minilm"), assets.dataset(args.data)
    train, test = rows_of(data["train"], tokenizer), rows_of(data["test" if args.data == "pairs" else "validation"], tokenizer)
    runs = json.loads(args.save.read_text(encoding="utf-8")) if args.save and args.save.exists() else []
    print(f"{args.data}: {len(train)} rows, {args.epochs} epochs, {assets.precision()}, {torch.get_num_threads()} threads", flush=True)
    for seed in args.seeds:
        for way in args.ways:
            if any((made["way"], made["seed"]) == (way, seed) for made in runs):
                continue
            runs.append(run(way, seed, args.epochs, train, test, tokenizer))
            print(json.dumps(runs[-1]), flush=True)
            if args.save:
                args.save.parent.mkdir(parents=True, exist_ok=True)
                args.save.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")
    report(runs)


if __name__ == "__main__":
    main()
