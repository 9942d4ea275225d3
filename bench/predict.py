"""`predict` beside the pipeline at its best batch size, in one run on the same texts.

    python bench/predict.py [--rounds N] [--save FILE] [FILE...]

FILE is JSON Lines: each row's string columns make a text, or a pair where there are two. Without a file, SST-2's validation
texts and 600 pairs of MRPC are taken from wherever `dataset` finds them; where it does not, the pairs that ship. The contenders
take turns, so that a machine whose speed drifts is fair to all; what is reported is the median of each one's rounds, and their
ratio round by round. The README shows what `--save hfcourse/shipped/measured/predict.json` wrote.
"""
import argparse
import json
import random
import statistics
import time
from pathlib import Path

import torch
import transformers

from hfcourse import assets
from hfcourse.pipeline import predict


def read(path: Path) -> list[dict]:
    "The texts and pairs of a file."
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    strings = [[value for value in row.values() if isinstance(value, str)] for row in rows]
    return [{"text": texts[0], "text_pair": texts[1]} if len(texts) > 1 else {"text": texts[0]} for texts in strings]


def shipped() -> list[dict]:
    "Single sentences and pairs from the data that ships."
    rows = assets.dataset("pairs")["train"]
    return [{"text": text} for text in rows["sentence2"][:900]] + [
        {"text": row["sentence1"], "text_pair": row["sentence2"]} for row in rows.select(range(600))]


def found() -> list[dict]:
    "SST-2's validation texts and MRPC's pairs, or what ships where they cannot be had."
    try:
        texts, pairs = assets.dataset("sst2")["validation"]["sentence"][:], assets.dataset("mrpc")["train"]
    except assets.AssetError as error:
        print(f"{error}\nThe pairs that ship are measured instead.")
        return shipped()
    return [{"text": text} for text in texts] + [{"text": row["sentence1"], "text_pair": row["sentence2"]} for row in pairs]


def mixed(groups: list[list[dict]], pairs: int) -> tuple[list[dict], list[dict]]:
    "All single texts and some of the pairs, each shuffled once."
    rng = random.Random(0)
    rows = [row for group in groups for row in group]
    singles, both = [r for r in rows if "text_pair" not in r], [r for r in rows if "text_pair" in r]
    return rng.sample(singles, len(singles)), rng.sample(both, min(pairs, len(both)))


def product_rate(dtype: torch.dtype, size: int = 1536, rounds: int = 8) -> float:
    "The machine's own rate of matrix products, in multiply-adds a second: the best of a few."
    a, b, best = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype), 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        a @ b
        best = max(best, size**3 / (time.perf_counter() - began))
    return best


def work(pipe: transformers.Pipeline, rows: list[dict]) -> float:
    "Multiply-adds that the real tokens need: the dense layers, and attention between all tokens of a text."
    config = pipe.model.config
    seconds = [row["text_pair"] for row in rows] if "text_pair" in rows[0] else None
    lengths = [len(ids) for ids in pipe.tokenizer([row["text"] for row in rows], seconds)["input_ids"]]
    wide, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    return sum(layers * (n * (4 * wide * wide + 2 * wide * inner) + 2 * n * n * wide) for n in lengths)


def main() -> None:
    "Run the contenders in turn and print their rates, ratios and agreement."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="JSON Lines with a text, or a pair, a row")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=600, help="pairs to take")
    parser.add_argument("--save", type=Path, help="a JSON file for the figures, which the README shows")
    args = parser.parse_args()
    singles, both = mixed([read(f) for f in args.files] if args.files else [found()], args.pairs)
    rows = random.Random(1).sample(singles + both, len(singles) + len(both))
    pipe = transformers.pipeline("text-classification", model=assets.checkpoint("sentiment"), device="cpu")
    contenders = {f"pipeline, batch {n}": lambda n=n: pipe(rows, batch_size=n) for n in (1, 8, 32)}
    contenders["predict, fp32"] = lambda: predict(pipe, rows, progress=False)
    if assets.precision(on=torch.device("cpu")) == "bf16":
        contenders["predict, bf16"] = lambda: predict(pipe, rows, progress=False, precision="bf16")
    pipe(rows[:32], batch_size=8)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    answers = {}
    for _ in range(args.rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            answers[name] = run()
            times[name].append(time.perf_counter() - began)
    figures = report(pipe, singles, both, times, answers)
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def report(pipe, singles: list[dict], both: list[dict], times: dict[str, list[float]], answers: dict[str, list]) -> dict:
    "Rates, ratios to the best pipeline of the same run, share of the machine's rate, and agreement; printed and returned."
    count = len(singles) + len(both)
    needed = sum(work(pipe, kind) for kind in (singles, both) if kind)
    best = min((name for name in times if name.startswith("pipeline")), key=lambda name: statistics.median(times[name]))
    rates = {"fp32": product_rate(torch.float32), "bf16": product_rate(torch.bfloat16)}
    found: dict = {"texts": len(singles), "pairs": len(both), "threads": torch.get_num_threads(), "best": best, "runs": []}
    print(f"{len(singles)} texts and {len(both)} pairs, {torch.get_num_threads()} threads, medians of {len(times[best])} rounds")
    for name, took in times.items():
        ratio = statistics.median(b / t for b, t in zip(times[best], took, strict=True))
        median = statistics.median(took)
        share = needed / median / rates["bf16" if name.endswith("bf16") else "fp32"]
        found["runs"].append({"name": name, "rate": count / median, "ratio": ratio, "share": share})
        print(f"{name:20} {count / median:7.0f} texts/s   {ratio:5.2f} times {best}   {share:4.0%} of the machine's matrix-product rate")
    if "predict, bf16" in answers:
        pairs = list(zip(answers["predict, fp32"], answers["predict, bf16"], strict=True))
        found["same_label"] = sum(a["label"] == b["label"] for a, b in pairs) / count
        print(f"bf16 gives the same label on {found['same_label']:.2%} of the texts")
    apart = [abs(one["score"] - other["score"]) for one, other in zip(answers["pipeline, batch 8"], answers["predict, fp32"], strict=True)]
    print(f"fp32 scores differ from the pipeline's by at most {max(apart):.1e}")
    return found | {"apart": max(apart)}


if __name__ == "__main__":
    main()
