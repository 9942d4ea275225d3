"""Train, measure and write the sentiment adapter that ships in `hfcourse/shipped/sentiment`.

    python recipes/sentiment.py train   --data FOLDER   # SST-2 as train.jsonl and validation.jsonl
    python recipes/sentiment.py measure --data FOLDER   # the accuracy of what ships; exit code 1 below 0.885
    python recipes/sentiment.py card    --data FOLDER   # the same, and its model card written from the figures

FOLDER holds JSON Lines with `sentence` and `label` (0 negative, 1 positive): SST-2 of GLUE (`nyu-mll/glue`).
The recipe: LoRA of rank 8 on every dense layer, a new classifier, AdamW, the rate rising over the first 6 % of the
steps and then falling to 0. Nothing is chosen on the validation set: it is read once, after training.
"""
import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest
from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup, set_seed

from hfcourse.ground.loading import load_model, load_tokenizer

SHIPPED = Path(__file__).parents[1] / "hfcourse" / "shipped" / "sentiment"
MEASURED = SHIPPED.parent / "measured" / "sentiment.json"  # what the README shows
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
REQUIRED = 0.885
CARD = """---
license: apache-2.0
language: en
base_model: sentence-transformers/all-MiniLM-L6-v2
library_name: peft
pipeline_tag: text-classification
datasets: [nyu-mll/glue]
metrics: [accuracy]
---

# The sentiment adapter

Says whether an English text is positive or negative. It is a LoRA adapter of rank {rank} on every dense layer of `sentence-transformers/all-MiniLM-L6-v2`, with a classifier of two labels: {weights:,} weights in half precision, {size:,} bytes.

## Measured

| data | texts | accuracy | 95 % interval (Wilson) | of the negative | of the positive |
| --- | --- | --- | --- | --- | --- |
| SST-2, validation | {rows} | {accuracy:.4f} | {low:.3f} to {high:.3f} | {NEGATIVE:.4f} | {POSITIVE:.4f} |

Measured on the files that ship, merged into the body, in fp32: `python recipes/sentiment.py card --data FOLDER` wrote this card.

## Made

Trained on SST-2's training split (67,349 phrases of film reviews) by `python recipes/sentiment.py train --data FOLDER`, with the values that the script has by default. The validation split was read after training only.

## Use

`checkpoint("sentiment")` of `hfcourse.assets` merges it into the body once, in the user's cache. Labels: 0 NEGATIVE, 1 POSITIVE.

## Limits

Learnt from phrases of film reviews, and small: expect less on other kinds of text, on irony, on long texts and on neutral ones, for which it has no label. Not for decisions about people.

## Licence

Apache-2.0, as its body. SST-2: Socher et al., 2013, https://aclanthology.org/D13-1170; GLUE: Wang et al., 2018, https://arxiv.org/abs/1804.07461.
"""
DENSE = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense"]


def body_path() -> str:
    "The body the adapter was made for, from wherever this machine has it."
    from hfcourse.assets import checkpoint
    return checkpoint("minilm")


def read(path: Path) -> list[dict]:
    "The rows of a JSON Lines file."
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def plain_model(body: str) -> torch.nn.Module:
    "The body with a new head of two labels."
    return load_model(body, AutoModelForSequenceClassification, new_head=True,
                      id2label=LABELS, label2id={name: i for i, name in LABELS.items()})


def batches(rows: list[dict], size: int, rng: random.Random) -> list[list[dict]]:
    "Shuffled batches; inside a window of fifty batches, texts of like length stand together, which saves padding."
    rows = rng.sample(rows, len(rows))
    windows = [sorted(rows[i:i + 50 * size], key=lambda r: len(r["sentence"])) for i in range(0, len(rows), 50 * size)]
    made = [window[i:i + size] for window in windows for i in range(0, len(window), size)]
    return rng.sample(made, len(made))


def inputs(tokenizer, rows: list[dict], device: torch.device) -> dict:
    "A padded batch on the device."
    return tokenizer([r["sentence"] for r in rows], padding=True, truncation=True, max_length=128, return_tensors="pt").to(device)


@torch.inference_mode()
def hits(model: torch.nn.Module, tokenizer, rows: list[dict], device: torch.device) -> list[bool]:
    "For each row, whether its largest logit is its label, in fp32."
    model.eval()
    right: list[bool] = []
    for i in range(0, len(rows), 64):
        batch = rows[i:i + 64]
        best = model(**inputs(tokenizer, batch, device)).logits.argmax(dim=-1)
        right += [int(b) == r["label"] for b, r in zip(best, batch, strict=True)]
    return right


def train(args: argparse.Namespace) -> None:
    "Train on the training split, write the adapter in half precision, measure what was written."
    body, device = args.body or body_path(), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(body)
    rows, rng, began = read(args.data / "train.jsonl"), random.Random(args.seed), time.perf_counter()
    rows, held = rows[args.held:], rows[:args.held]
    set_seed(args.seed)
    config = LoraConfig(task_type="SEQ_CLS", r=args.rank, lora_alpha=2 * args.rank, lora_dropout=args.dropout,
                        target_modules=DENSE, modules_to_save=["classifier"])
    model = get_peft_model(plain_model(body), config).to(device).train()
    epochs = [batches(rows, args.batch, rng) for _ in range(args.epochs)]
    steps = sum(map(len, epochs))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=args.rate, weight_decay=.01)
    schedule = get_linear_schedule_with_warmup(optimizer, steps * 6 // 100, steps)
    for step, batch in enumerate((b for epoch in epochs for b in epoch), 1):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**inputs(tokenizer, batch, device), labels=torch.tensor([r["label"] for r in batch], device=device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 500 == 0 or step == steps:
            print(f"step {step}/{steps}  loss {loss.item():.3f}  {time.perf_counter() - began:.0f} s", flush=True)
    write(model, args.out)
    if held:
        right = hits(load(body, args.out, device), tokenizer, held, device)
        print(f"{sum(right) / len(right):.4f} of the held-out training texts")


def write(model: torch.nn.Module, folder: Path) -> None:
    "Save the adapter in half precision, by way of a folder beside it, so that nothing half-written stays."
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        model.save_pretrained(fresh)
        weights = {k: v.half().contiguous() for k, v in load_file(Path(fresh) / "adapter_model.safetensors").items()}
        config = json.loads((Path(fresh) / "adapter_config.json").read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = "sentence-transformers/all-MiniLM-L6-v2"
        config |= {name: sorted(set(config[name])) for name in ("target_modules", "modules_to_save")}  # sets have no order
        folder.mkdir(exist_ok=True)
        (Path(fresh) / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_file(weights, Path(fresh) / "adapter_model.safetensors", metadata={"format": "pt"})
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.move(Path(fresh) / name, folder / name)


def load(body: str, folder: Path, device: torch.device) -> torch.nn.Module:
    "The body with the adapter of a folder merged in."
    return PeftModel.from_pretrained(plain_model(body), folder).merge_and_unload().to(device)


def measure(args: argparse.Namespace) -> dict:
    "The figures of the adapter in the folder on the validation split, printed too."
    body, device = args.body or body_path(), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = read(args.data / "validation.jsonl")
    right = hits(load(body, args.out, device), load_tokenizer(body), rows, device)
    interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    file = args.out / "adapter_model.safetensors"
    found = {"accuracy": sum(right) / len(right), "right": sum(right), "rows": len(rows), "low": interval.low, "high": interval.high,
             "size": file.stat().st_size, "weights": sum(w.numel() for w in load_file(file).values())}
    for label, name in LABELS.items():
        marks = [hit for hit, row in zip(right, rows, strict=True) if row["label"] == label]
        found[name] = sum(marks) / len(marks)
    print("SST-2 validation: accuracy {accuracy:.4f} ({right} of {rows}; 95 % interval {low:.3f} to {high:.3f}), "
          "of the negative {NEGATIVE:.4f}, of the positive {POSITIVE:.4f}; {weights:,} weights, {size:,} bytes".format(**found))
    return found


def card(args: argparse.Namespace) -> None:
    "Write the model card from the figures of a measurement, and the figures for the README."
    config = json.loads((args.out / "adapter_config.json").read_text(encoding="utf-8"))
    found = measure(args)
    (args.out / "README.md").write_text(CARD.format(**found, rank=config["r"]), encoding="utf-8")
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "measure", "card"])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.jsonl and validation.jsonl")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the adapter")
    parser.add_argument("--body", help="folder of the body; by default the one `hfcourse` finds")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--held", type=int, default=0, help="training texts to hold out, for choosing a recipe")
    args = parser.parse_args()
    if args.command == "train":
        train(args)
    elif args.command == "card":
        card(args)
    elif measure(args)["accuracy"] < REQUIRED:
        sys.exit(f"the adapter is below the accuracy that the project asks of it, {REQUIRED}")


if __name__ == "__main__":
    main()
