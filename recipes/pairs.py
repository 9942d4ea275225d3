"""Split, check, measure and describe the sentence pairs that ship in `hfcourse/shipped/pairs`.

    python recipes/pairs.py build FILE...   # written pairs (JSON Lines) to train.jsonl, validation.jsonl and test.jsonl
    python recipes/pairs.py check           # what ships: no text twice, balanced, and no baseline decides it; stamps what it read
    python recipes/pairs.py stamp           # seconds: the rows are sound, and they are those that the last check read
    python recipes/pairs.py measure         # fine-tune the pair model and compare it with the baselines on the test split
    python recipes/pairs.py card            # check and measure, and write their figures to README.md beside the splits

A row holds `sentence1`, `sentence2`, `label` (1: they say the same), `domain` and `kind` (how the second differs from the first).
The recipe below was chosen on the validation split; `measure --on validation` is how others are tried.
Each command ends with exit code 1 and a line that says why if what it promises does not hold.
"""
import argparse
import hashlib
import inspect
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).parents[1] / "hfcourse" / "shipped" / "pairs"
MEASURED = SHIPPED.parent / "measured" / "pairs.json"  # what the README shows
STAMP = Path(__file__).with_suffix("").with_name("pairs_check.json")  # what the last check read, and what it found
KEYS = ["sentence1", "sentence2", "label", "domain", "kind"]
HELD = {"test": 1000, "validation": 400}  # rows; the training split takes the rest
LEAST = {"train": 1000, "validation": 200, "test": 400}
CEILING = 0.75  # a baseline at or above this on any split means that the pairs are too easy
RESAMPLES = 10_000
EVEN = 3  # rows by which a held-out split may have more or fewer of a domain than its share: fewer, and each new row moves many
Row = dict[str, object]


def fail(reason: str) -> None:
    "Stop with exit code 1 and say why."
    sys.exit(f"pairs: failed: {reason}")


# ---------------------------------------------------------------- reading and writing
def normal(text: str) -> str:
    "A text without case, punctuation and spacing: what counts as the same text."
    return " ".join(re.findall(r"\w+", text.lower()))


def read(path: Path) -> list[Row]:
    "The rows of a JSON Lines file, each checked for its keys and values."
    if not path.is_file():
        fail(f"there is no file {path}")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            fail(f"{path}:{number} is not JSON ({error})")
        if not isinstance(row, dict) or set(row) != set(KEYS):
            fail(f"{path}:{number} must have the keys {', '.join(KEYS)} and no others")
        texts = [row[key] for key in KEYS if key != "label"]
        if row["label"] not in (0, 1) or type(row["label"]) is not int or not all(isinstance(text, str) and text.strip() for text in texts):
            fail(f"{path}:{number} has a label that is not 0 or 1, or an empty text")
        rows.append({key: row[key] for key in KEYS})
    return rows


def shipped(folder: Path) -> dict[str, list[Row]]:
    "The three splits of a folder."
    return {split: read(folder / f"{split}.jsonl") for split in LEAST}


def replace(path: Path, text: str) -> None:
    "Write a file by way of one beside it, so that nothing half-written stays."
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", newline="\n", delete=False) as fresh:
        fresh.write(text)
    os.chmod(fresh.name, 0o644)
    os.replace(fresh.name, path)


def repeated(rows: list[Row]) -> list[str]:
    "The texts that occur more than once, in whichever column."
    seen = Counter(normal(row[key]) for row in rows for key in ("sentence1", "sentence2"))
    return [text for text, times in seen.items() if times > 1]


# ---------------------------------------------------------------- build
def place(row: Row) -> str:
    "A row's place in the queue: a hash of its own two texts, so that other rows do not move it."
    return hashlib.sha256(f"{row['sentence1']}\n{row['sentence2']}".encode()).hexdigest()


def shares(sizes: dict[str, int], wanted: int) -> dict[str, int]:
    "Share `wanted` rows among groups by their sizes: whole numbers, the largest remainders first."
    exact = {name: wanted * size / sum(sizes.values()) for name, size in sizes.items()}
    given = {name: int(share) for name, share in exact.items()}
    for name in sorted(exact, key=lambda n: (given[n] - exact[n], n))[:wanted - sum(given.values())]:
        given[name] += 1
    return given


def split_label(rows: list[Row]) -> dict[str, list[Row]]:
    "Split the rows of one label: from each kind's queue the first go to test, the next to validation, the rest to training."
    queues = defaultdict(list)
    for row in sorted(rows, key=place):
        queues[row["kind"]].append(row)
    splits = {}
    sizes = {kind: len(queue) for kind, queue in queues.items()}
    for split, held in HELD.items():
        given = shares(sizes, held // 2)
        splits[split] = [queues[kind].pop(0) for kind in sorted(queues) for _ in range(given[kind])]
    return splits | {"train": [row for kind in sorted(queues) for row in queues[kind]]}


def excess(rows: list[Row], sizes: Counter, total: int) -> dict[str, float]:
    "By how many rows each domain is above its share among some rows."
    have = Counter(row["domain"] for row in rows)
    return {domain: have[domain] - len(rows) * size / total for domain, size in sizes.items()}


def even_domains(splits: dict[str, list[Row]]) -> None:
    "Exchange rows of one label and kind between a held-out split and training until no exchange mends a domain far off its share."
    sizes = Counter(row["domain"] for rows in splits.values() for row in rows)
    for held, rest in ((splits[split], splits["train"]) for split in HELD):
        while True:
            over = excess(held, sizes, sum(sizes.values()))
            swaps = [(over[a["domain"]] - over[b["domain"]], place(a), i, j)
                     for i, a in enumerate(held) if over[a["domain"]] > EVEN
                     for j, b in enumerate(rest) if over[b["domain"]] < -EVEN and (a["label"], a["kind"]) == (b["label"], b["kind"])]
            if not swaps:
                break
            _, _, i, j = max(swaps)
            held[i], rest[j] = rest[j], held[i]


def balance(rows: list[Row]) -> list[Row]:
    "As many rows of each label, by leaving out the last in the queue of the commoner one; each row left out is named."
    by_label = [sorted((row for row in rows if row["label"] == label), key=place) for label in (0, 1)]
    least = min(map(len, by_label))
    for row in (row for group in by_label for row in group[least:]):
        print(f"left out, so that the labels balance: {json.dumps(row, ensure_ascii=False)}")
    return [row for group in by_label for row in group[:least]]


def build(args: argparse.Namespace) -> None:
    "Read written pairs and write the three splits."
    rows = [row for path in args.files for row in read(path)]
    if twice := repeated(rows):
        fail(f"{len(twice)} texts occur more than once; mend the files. The first: {twice[0]!r}")
    if len(rows) < sum(LEAST.values()) + 2:
        fail(f"{len(rows)} rows are too few for {sum(LEAST.values())} in three splits")
    kept = balance(rows)
    halves = [split_label([row for row in kept if row["label"] == label]) for label in (0, 1)]
    splits = {split: halves[0][split] + halves[1][split] for split in LEAST}
    even_domains(splits)
    for split in LEAST:
        made = sorted(splits[split], key=place)
        replace(args.folder / f"{split}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made))
        print(f"{split}: {len(made)} rows, {sum(row['label'] for row in made)} of them paraphrases, "
              f"{len({row['domain'] for row in made})} domains, {len({row['kind'] for row in made})} kinds")
    print(f"build: {len(rows)} rows read from {len(args.files)} files, {len(kept)} written, {len(rows) - len(kept)} left out")


# ---------------------------------------------------------------- baselines
def words(text: str) -> set[str]:
    "The words of a text, without case."
    return set(re.findall(r"\w+(?:['’]\w+)?", text.lower()))


def overlap(rows: list[Row]) -> np.ndarray:
    "Each pair's word overlap: Dice on the two sets of words."
    sets = [(words(row["sentence1"]), words(row["sentence2"])) for row in rows]
    return np.array([2 * len(a & b) / (len(a) + len(b)) for a, b in sets])


def body() -> str:
    "The pretrained body, from wherever this machine has it."
    from hfcourse.assets import checkpoint
    return checkpoint("minilm")


def cosine(rows: list[Row]) -> np.ndarray:
    "Each pair's cosine between the body's mean-pooled vectors of its two sentences, in fp32."
    import torch

    from hfcourse.ground.loading import load_model, load_tokenizer
    tokenizer, model = load_tokenizer(body()), load_model(body())

    def vectors(texts: list[str]) -> torch.Tensor:
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        mask = batch["attention_mask"].unsqueeze(-1)
        return (model(**batch).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)

    with torch.inference_mode():
        parts = [rows[i:i + 64] for i in range(0, len(rows), 64)]
        found = [torch.cosine_similarity(*(vectors([r[k] for r in part]) for k in ("sentence1", "sentence2"))) for part in parts]
    return torch.cat(found).numpy()


def labels(rows: list[Row]) -> np.ndarray:
    "The labels of some rows."
    return np.array([row["label"] for row in rows])


def tune(scores: np.ndarray, truth: np.ndarray) -> tuple[float, int]:
    "The threshold and the direction (1: paraphrases score higher, -1: lower) that decide most pairs rightly."
    cuts = np.unique(scores)
    cuts = np.concatenate([[cuts[0] - 1], (cuts[1:] + cuts[:-1]) / 2])
    right = ((scores[None] > cuts[:, None]) == truth[None].astype(bool)).mean(axis=1)
    best, worst = int(right.argmax()), int(right.argmin())
    return (float(cuts[best]), 1) if right[best] >= 1 - right[worst] else (float(cuts[worst]), -1)


def decide(scores: np.ndarray, threshold: float, direction: int) -> np.ndarray:
    "The labels that a threshold and its direction give."
    return ((scores > threshold) if direction == 1 else (scores <= threshold)).astype(int)


def baselines(data: dict[str, list[Row]]) -> dict[str, dict[str, np.ndarray]]:
    "What majority, overlap and cosine answer on each split, everything tuned on the training split."
    truth = labels(data["train"])
    answers = {"majority": {s: np.full(len(rows), int(truth.mean() > .5)) for s, rows in data.items()}}
    for name, score in (("overlap", overlap), ("cosine", cosine)):
        scores = {split: score(rows) for split, rows in data.items()}
        threshold, direction = tune(scores["train"], truth)
        print(f"{name}: a pair is a paraphrase {'above' if direction == 1 else 'at or below'} {threshold:.3f}")
        answers[name] = {split: decide(found, threshold, direction) for split, found in scores.items()}
    return answers


def one_sentence(data: dict[str, list[Row]], key: str) -> dict[str, np.ndarray]:
    "What a logistic regression on the words of one sentence alone answers on the splits it did not see."
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(CountVectorizer(ngram_range=(1, 2), binary=True), LogisticRegression(max_iter=1000))
    model.fit([row[key] for row in data["train"]], labels(data["train"]))
    return {split: model.predict([row[key] for row in data[split]]) for split in HELD}


def accuracy(answers: np.ndarray, rows: list[Row]) -> float:
    "The share of rows that are answered rightly."
    return float((answers == labels(rows)).mean())


# ---------------------------------------------------------------- check
def check_rows(data: dict[str, list[Row]]) -> None:
    "Fail unless the splits are large enough, balanced, and no text stands in them twice."
    if twice := repeated([row for rows in data.values() for row in rows]):
        fail(f"{len(twice)} texts occur more than once. The first: {twice[0]!r}")
    for split, rows in data.items():
        if len(rows) < LEAST[split]:
            fail(f"{split} has {len(rows)} rows, fewer than {LEAST[split]}")
        if 2 * labels(rows).sum() != len(rows):
            fail(f"{split} has {labels(rows).sum()} paraphrases among {len(rows)} rows, not half")
    for key in ("domain", "kind"):
        for split, rows in data.items():
            if lacking := {row[key] for row in data["train"]} ^ {row[key] for row in rows}:
                fail(f"{split} and train do not share the {key} {', '.join(map(str, sorted(lacking)))}")


def check_figures(data: dict[str, list[Row]]) -> dict[str, dict[str, float]]:
    "The accuracy of each baseline on each split; the words of one sentence only where they were not learnt from."
    answers = baselines(data) | {key: one_sentence(data, key) for key in ("sentence1", "sentence2")}
    return {name: {split: accuracy(found, data[split]) for split, found in by.items()} for name, by in answers.items()}


def print_figures(data: dict[str, list[Row]], figures: dict[str, dict[str, float]]) -> None:
    "The table of the baselines."
    print("split       rows  " + "  ".join(f"{name:>9}" for name in figures))
    for split, rows in data.items():
        shown = [f"{by[split]:.3f}" if split in by else "-" for by in figures.values()]
        print(f"{split:<10}  {len(rows):>4}  " + "  ".join(f"{share:>9}" for share in shown))


def check(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    "Check what ships, and say what held."
    data = shipped(args.folder)
    check_rows(data)
    figures = check_figures(data)
    print_figures(data, figures)
    for name in ("overlap", "cosine"):
        for split, share in figures[name].items():
            if share >= CEILING:
                fail(f"{name} alone decides {share:.3f} of {split}, which must stay under {CEILING}")
    if args.folder == SHIPPED:
        found = {name: {split: round(share, 4) for split, share in by.items()} for name, by in figures.items()}
        replace(STAMP, json.dumps({"inputs": read_by_check(), "figures": found}, indent=1) + "\n")
    highest = max(max(figures[name].values()) for name in ("overlap", "cosine"))
    print(f"check: no text twice in {sum(map(len, data.values()))} pairs; labels balanced and every domain and kind in each split; "
          f"overlap and cosine at most {highest:.3f}; words of sentence2 alone {figures['sentence2']['test']:.3f} on test")
    return figures


def read_by_check() -> dict[str, str]:
    "The sha256 of each split, and of the code that judges them: what the figures of a check depend on, beside the body."
    code = [normal, words, overlap, cosine, tune, decide, baselines, one_sentence, accuracy, check_figures]
    parts = {f"{split}.jsonl": (SHIPPED / f"{split}.jsonl").read_bytes() for split in LEAST}
    parts["check"] = "".join(map(inspect.getsource, code)).encode()
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


def stamp(args: argparse.Namespace) -> None:
    "Check the rows, which takes seconds, and that the baselines, which take minutes, were measured on just these rows."
    check_rows(shipped(args.folder))
    before = json.loads(STAMP.read_text(encoding="utf-8"))
    now = read_by_check()
    if changed := sorted(name for name in now if before["inputs"].get(name) != now[name]):
        fail(f"{', '.join(changed)} changed since the baselines were measured: run make measure")
    highest = max(max(before["figures"][name].values()) for name in ("overlap", "cosine"))
    if highest >= CEILING:
        fail(f"a baseline decides {highest:.3f} of a split, which must stay under {CEILING}")
    print(f"stamp: the rows are those of the last check; overlap and cosine at most {highest:.3f}")


# ---------------------------------------------------------------- the pair model
def letters(row: Row) -> int:
    "The length of a pair, in characters."
    return len(str(row["sentence1"])) + len(str(row["sentence2"]))


def batches(rows: list[Row], size: int, rng: random.Random) -> list[list[Row]]:
    "Shuffled batches; inside a window of twenty batches, pairs of like length stand together, which saves padding."
    rows, window = rng.sample(rows, len(rows)), 20 * size
    rows = [row for i in range(0, len(rows), window) for row in sorted(rows[i:i + window], key=letters)]
    made = [rows[i:i + size] for i in range(0, len(rows), size)]
    return rng.sample(made, len(made))


def inputs(tokenizer, rows: list[Row], device) -> dict:
    "A padded batch on the device: both sentences in one input."
    return tokenizer([r["sentence1"] for r in rows], [r["sentence2"] for r in rows], padding=True, return_tensors="pt").to(device)


def answers_of(model, tokenizer, rows: list[Row], device) -> np.ndarray:
    "The label of the larger logit for each row, in fp32."
    import torch
    model.eval()
    with torch.inference_mode():
        parts = [model(**inputs(tokenizer, rows[i:i + 64], device)).logits.argmax(dim=-1) for i in range(0, len(rows), 64)]
    return torch.cat(parts).cpu().numpy()


def fine_tune(data: dict[str, list[Row]], args: argparse.Namespace, seed: int):
    "The pair model trained on the training split; validation is watched, not learnt from. Model, tokenizer, device, seconds, validation."
    import torch
    from transformers import AutoModelForSequenceClassification, get_linear_schedule_with_warmup, set_seed

    from hfcourse.assets import device, precision
    from hfcourse.ground.loading import load_model, load_tokenizer
    set_seed(seed)
    where, rng = device(), random.Random(seed)
    tokenizer = load_tokenizer(body())
    dropout = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), args.dropout)
    model = load_model(body(), AutoModelForSequenceClassification, new_head=True, num_labels=2, **dropout).to(where)
    model.get_input_embeddings().weight.requires_grad_(False)  # half of all weights, which would slow every step
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    steps = args.epochs * -(-len(data["train"]) // args.batch)
    optimizer = torch.optim.AdamW(trained, lr=args.rate, weight_decay=.01, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, int(args.warmup * steps), steps)
    spent = 0.0
    for epoch in range(1, args.epochs + 1):
        began = time.perf_counter()
        model.train()
        for batch in batches(data["train"], args.batch, rng):
            with torch.autocast(where.type, dtype=torch.bfloat16, enabled=precision() == "bf16"):
                truth = torch.tensor([r["label"] for r in batch], device=where)
                loss = model(**inputs(tokenizer, batch, where), labels=truth).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        spent += time.perf_counter() - began
        share = accuracy(answers_of(model, tokenizer, data["validation"], where), data["validation"])
        print(f"seed {seed}  epoch {epoch}/{args.epochs}  last loss {loss.item():.3f}  validation {share:.3f}  {spent:.0f} s", flush=True)
    return model, tokenizer, where, spent, share


def interval(model: np.ndarray, other: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    "The paired bootstrap's 95 % interval of the difference in accuracy between two answers to the same rows."
    gain = (model == truth).astype(float) - (other == truth)
    drawn = np.random.default_rng(0).integers(0, len(gain), (RESAMPLES, len(gain)))
    low, high = np.percentile(gain[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def by_kind(answers: list[np.ndarray], rows: list[Row]) -> dict[tuple[int, str], tuple[int, float]]:
    "For each label and kind, its rows and the mean accuracy over the seeds."
    groups = defaultdict(list)
    for i, row in enumerate(rows):
        groups[row["label"], row["kind"]].append(np.mean([found[i] == row["label"] for found in answers]))
    return {key: (len(found), float(np.mean(found))) for key, found in sorted(groups.items())}


def measure(args: argparse.Namespace) -> dict:
    "Train the pair model from each seed; fail unless the one that is best on validation is above each baseline."
    data = shipped(args.folder)
    rows, truth = data[args.on], labels(data[args.on])
    others = {name: by[args.on] for name, by in baselines(data).items()}
    figures = {name: accuracy(found, rows) for name, found in others.items()}
    best = max(figures, key=figures.get)
    found, runs = [], []
    for seed in range(args.seeds):
        model, tokenizer, where, seconds, held = fine_tune(data, args, seed)
        found.append(answers_of(model, tokenizer, rows, where))
        runs.append((accuracy(found[-1], rows), *interval(found[-1], others[best], truth), seconds, held))
    chosen = max(range(args.seeds), key=lambda seed: runs[seed][-1])  # restarts, as BERT's authors did on small data
    kinds = by_kind([found[chosen]], rows)
    print_measure(args, figures, best, runs, kinds)
    if not all(interval(found[chosen], other, truth)[0] > 0 for other in others.values()):
        fail(f"the pair model is not above each baseline beyond its interval on {args.on}")
    print(f"measure: on {len(rows)} rows of {args.on} the pair model of seed {chosen} is above each baseline beyond its interval")
    return {"baselines": figures, "best": best, "runs": runs, "kinds": kinds, "chosen": chosen}


def print_measure(args: argparse.Namespace, figures: dict, best: str, runs: list, kinds: dict) -> None:
    "The table of a measurement: accuracy, the interval of the difference to the better baseline, and accuracy by kind."
    print(f"\naccuracy on {args.on}     difference to {best}, 95 % interval")
    for name, share in figures.items():
        print(f"{name:<14} {share:.3f}")
    for seed, (share, low, high, seconds, held) in enumerate(runs):
        print(f"model, seed {seed}  {share:.3f}    {share - figures[best]:+.3f}  [{low:+.3f}, {high:+.3f}]  "
              f"validation {held:.3f}, trained in {seconds:.0f} s")
    print("by kind, the seed that is best on validation: " + ", ".join(f"{kind}/{label} {share:.2f} of {n}" for (label, kind), (n, share) in kinds.items()))


# ---------------------------------------------------------------- card
CARD = """---
license: apache-2.0
language: en
task_categories: [text-classification]
---
# The pairs

{total:,} pairs of English sentences, written for this project. In half of them both sentences say the same (label 1, a paraphrase); in
the other half they share most of their words, or are reworded as a paraphrase would be, and differ in one decisive thing (label 0).
Neither word overlap nor the cosine of sentence vectors decides which is which.

`python recipes/pairs.py card` wrote this page: each number in it comes from that run.

## Rows
`sentence1`, `sentence2`, `label`, `domain`, `kind`. `kind` says how the second sentence differs from the first; it gives the label
away, so it is there to report by, not to learn from.

{splits}

{kinds}

{domains}

## Baselines and the pair model
Accuracy. The thresholds of overlap (Dice on the two sets of words) and cosine (mean-pooled vectors of the body `minilm`), and their
directions, are tuned on the training split.
`sentence1` and `sentence2` are logistic regressions on the words and word pairs of that sentence alone, learnt from the training split:
at 0.5 one sentence would tell nothing of the label; what is above it, a sentence gives away by itself.

{baselines}

The pair model is `AutoModelForSequenceClassification` on the body, both sentences in one input, learnt from the training split: {recipe}.
The recipe was chosen on the validation split. The difference is to {best}, the better baseline on the test split, with the 95 %
interval of a paired bootstrap ({resamples:,} resamples of the test rows).

{model}

Training starts from {seeds} seeds, and the model that is best on validation is chosen: from some seeds it begins to learn late, or
hardly. (Restarts on small data: Devlin et al., 2018, https://arxiv.org/abs/1810.04805, section 4.1.)

Accuracy by kind on the test split, of the chosen model; a kind has few rows, so each is a rough figure.

{by_kind}

## How they were made
Written for this project, one pair at a time: no template with slots, no sentence from another data set, book or site.
{annotation}

The splits are made by `python recipes/pairs.py build`: a row's place comes from a hash of its own text, the labels are balanced, kinds
and domains spread alike.

## Limits
- English only.
- People, places and figures are invented. Nothing here is a source of facts.
- Adversarial by design: half paraphrases and chosen kinds of change are not the frequencies of natural text, so an accuracy here says
  little about an accuracy elsewhere.
- Small: enough to teach and to compare with a baseline, not enough to train a model for use.

Licence: Apache-2.0, as the project.
"""


def table(columns: list[str], rows: list[list[object]]) -> str:
    "A Markdown table; figures are shown with three decimals."
    shown = [[f"{cell:.3f}" if isinstance(cell, float) else f"{cell}" for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, ["---"] * len(columns), *shown])


def split_table(data: dict[str, list[Row]]) -> str:
    "For each split and label: rows, words a sentence, word overlap."
    lines = []
    for split, rows in data.items():
        for label in (1, 0):
            chosen = [row for row in rows if row["label"] == label]
            long = [len(row[key].split()) for row in chosen for key in ("sentence1", "sentence2")]
            dice = overlap(chosen)
            lines.append([split, label, len(chosen), f"{np.mean(long):.1f} ({min(long)} to {max(long)})",
                          f"{dice.mean():.2f}", f"{(dice >= .7).mean():.2f}"])
    return table(["split", "label", "rows", "words a sentence (range)", "mean overlap", "share with overlap 0.7 or more"], lines)


def count_table(data: dict[str, list[Row]], keys: list[str]) -> str:
    "How many rows of each split have each value of some keys."
    counts = {split: Counter(tuple(row[key] for key in keys) for row in rows) for split, rows in data.items()}
    return table([*keys, *data], [[*value, *(by[value] for by in counts.values())] for value in sorted(counts["train"])])


def recipe(args: argparse.Namespace) -> str:
    "The recipe in words."
    return (f"{args.epochs} epochs in batches of {args.batch}, AdamW, the learning rate rising to {args.rate:g} over the first "
            f"{args.warmup:.0%} of the steps and then falling to 0, dropout {args.dropout:g}, the word embeddings left as they are, bf16 where the processor has it")


def card(args: argparse.Namespace) -> None:
    "Check and measure what ships, and write their figures as the data card."
    if args.on != "test":
        fail("a card tells of the test split")
    data, figures, found = shipped(args.folder), check(args), measure(args)
    best = found["baselines"][found["best"]]
    runs = [[f"{seed}, chosen" if seed == found["chosen"] else seed, held, share, f"{share - best:+.3f}", f"{low:+.3f} to {high:+.3f}"]
            for seed, (share, low, high, _, held) in enumerate(found["runs"])]
    replace(args.folder / "README.md", CARD.format(
        total=sum(map(len, data.values())), splits=split_table(data), kinds=count_table(data, ["label", "kind"]),
        domains=count_table(data, ["domain"]), best=found["best"], annotation=args.annotation, resamples=RESAMPLES, seeds=args.seeds,
        recipe=recipe(args),
        baselines=table(["split", *figures], [[split, *(by.get(split, "") for by in figures.values())] for split in data]),
        model=table(["seed", "accuracy on validation", "accuracy on test", "difference", "95 % interval"], runs),
        by_kind=table(["label", "kind", "rows", "accuracy"], [[label, kind, *cells] for (label, kind), cells in found["kinds"].items()])))
    means = [{"name": name, "accuracy": share, "interval": ""} for name, share in found["baselines"].items()]
    share, low, high = found["runs"][found["chosen"]][:3]
    means.append({"name": f"pair model, best of {args.seeds} seeds on validation", "accuracy": share,
                  "interval": f"{low:+.3f} to {high:+.3f} beside {found['best']}"})
    MEASURED.parent.mkdir(exist_ok=True)
    replace(MEASURED, json.dumps({"rows": len(data["test"]), "table": means}, indent=2) + "\n")
    print(f"card: written to {args.folder / 'README.md'}")


def parser() -> argparse.ArgumentParser:
    "The command line."
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--folder", type=Path, default=SHIPPED, help="folder of the splits")
    commands = top.add_subparsers(dest="command", required=True)
    made = commands.add_parser("build", help="written pairs to splits")
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSON Lines of written pairs")
    commands.add_parser("check", help="check what ships, and stamp what was read")
    commands.add_parser("stamp", help="check that what ships is what the last check read")
    for name in ("measure", "card"):
        one = commands.add_parser(name, help="train the pair model and compare" if name == "measure" else "write the data card")
        one.add_argument("--seeds", type=int, default=2, choices=range(1, 21), metavar="N", help="how many seeds, from 0; 1 to 20")
        one.add_argument("--epochs", type=int, default=3)
        one.add_argument("--batch", type=int, default=16)
        one.add_argument("--rate", type=float, default=1.5e-4, help="the highest learning rate; it then falls to 0")
        one.add_argument("--dropout", type=float, default=0.0, help="of the body, while it is trained")
        one.add_argument("--warmup", type=float, default=0.1, help="the share of the steps over which the rate rises")
        one.add_argument("--on", choices=["validation", "test"], default="test", help="the split to compare on")
    commands.choices["card"].add_argument("--annotation", default="", help="a sentence on the second annotation and what it changed")
    return top


def main() -> None:
    "Run one command."
    args = parser().parse_args()
    commands = {"build": build, "check": check, "stamp": stamp, "measure": measure, "card": card}
    commands[args.command](args)


if __name__ == "__main__":
    main()
