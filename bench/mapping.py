"""Memory while two million rows are read, and `tokenize` beside the library's own ways, in one run.

    python bench/mapping.py [--rows N] [--rounds N] [--data NAME] [--save FILE]

The rows are made on the spot. Each way to read them has a process of its own, which counts two kinds of resident memory: its own
pages, and the mapped pages of files. One way lets the system take the mapped pages back every 100,000 rows, which it does by
itself when memory is short (Linux only). Then a split is tokenised: row by row and in batches by `map`, by `tokenize` with one
process and with two, and by `tokenize` once more, from the cache. The ways take turns; the median of the rounds is reported, and
the ratio to row by row, round by round. `--data mrpc` with HFCOURSE_DATA_MRPC=FOLDER takes MRPC; without it the pairs that ship.
"""
import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow as pa
from datasets import Dataset, load_from_disk

from hfcourse import assets
from hfcourse.ground.loading import load_tokenizer
from hfcourse.mapping import text_columns, tokenize

READERS = {"mapped": "read through, as it comes", "pressed": "read through, pages taken back", "list": "one column as a list"}


def make(path: Path, rows: int) -> None:
    "Write a table of texts and labels to a file, 10,000 rows at a time."
    kinds = pa.schema({"text": pa.string(), "label": pa.int64()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, kinds) as writer:
        for start in range(0, rows, 10_000):
            part = range(start, min(start + 10_000, rows))
            texts = [f"Row {i}: the train from the north was late again, so nobody saw the start." for i in part]
            writer.write_batch(pa.record_batch([texts, [i % 2 for i in part]], schema=kinds))


def memory() -> tuple[float, float]:
    "Own and resident pages of this process, in MB."
    process = psutil.Process()
    info = process.memory_info()
    own = info.rss - info.shared if hasattr(info, "shared") else process.memory_full_info().uss
    return own / 1e6, info.rss / 1e6


def take_back(data: Dataset) -> None:
    "Let the system take the mapped pages of a dataset; they are read from the file when they are needed again."
    parts = [part for column in data.data.columns for chunk in column.chunks for part in chunk.buffers() if part]
    first = min(part.address for part in parts) // 65_536 * 65_536
    last = max(part.address + part.size for part in parts)
    give = ctypes.CDLL(None, use_errno=True).madvise
    give.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if give(first, last - first, 4):  # MADV_DONTNEED
        raise OSError(ctypes.get_errno(), "the system does not take the pages back")


def read(way: str, path: Path) -> dict:
    "Read every row in one way, and say how much memory grew at most."
    data = Dataset.from_file(str(path))
    before, most, letters = memory(), [0.0, 0.0], 0
    if way == "list":
        kept = data["text"][:]
        letters, most = sum(map(len, kept)), list(memory())
    else:
        for i, part in enumerate(data.iter(1000)):
            letters += sum(map(len, part["text"]))
            if i % 100 == 99:
                if way == "pressed":
                    take_back(data)
                most = [max(pair) for pair in zip(most, memory(), strict=True)]
    return {"letters": letters, "own": most[0] - before[0], "resident": most[1] - before[1]}


def measure_memory(rows: int) -> dict:
    "Every way to read the same file, each in a process of its own."
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.arrow"
        make(path, rows)
        size = path.stat().st_size / 1e6
        print(f"{rows:,} rows in a file of {size:.0f} MB; growth while they are read, at most")
        for way, words in READERS.items():
            done = subprocess.run([sys.executable, __file__, "--read", way, str(path)], capture_output=True, text=True)
            if done.returncode:
                print(f"{words:32} not measured: {done.stderr.strip().splitlines()[-1]}")
                continue
            found[way] = json.loads(done.stdout)
            print(f"{words:32} own {found[way]['own']:+7.1f} MB   resident {found[way]['resident']:+7.1f} MB")
    if len({one["letters"] for one in found.values()}) != 1:
        raise ValueError("the ways did not read the same: run it again, and report it.")
    return {"rows": rows, "size": size, "ways": found}


def measure_speed(name: str, rounds: int) -> dict:
    "Rows a second of each way to tokenise a split, and its ratio to row by row."
    tokenizer, split = load_tokenizer("minilm"), assets.dataset(name)["train"]
    rows, columns = Dataset.from_dict(split[:]), text_columns(split)  # in memory, so nothing is read from a cache
    def encode(part: dict) -> dict:
        return tokenizer(*(part[column] for column in columns), truncation=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, assets.quiet():
        rows.save_to_disk(folder)
        stored = load_from_disk(folder)
        tokenize(stored, tokenizer)
        ways = {"map, row by row": lambda: rows.map(encode, remove_columns=rows.column_names),
                "map, batched": lambda: rows.map(encode, batched=True, remove_columns=rows.column_names),
                "tokenize": lambda: tokenize(rows, tokenizer), "tokenize, 2 processes": lambda: tokenize(rows, tokenizer, num_proc=2),
                "tokenize, from the cache": lambda: tokenize(stored, tokenizer)}
        times: dict[str, list[float]] = {way: [] for way in ways}
        ids = {}
        for _ in range(rounds):
            for way, run in ways.items():
                began = time.perf_counter()
                ids[way] = run()["input_ids"]
                times[way].append(time.perf_counter() - began)
        if len({str(ids[way][:]) for way in ways}) != 1:
            raise ValueError("the ways did not give the same ids: run it again, and report it.")
    print(f"{len(rows):,} rows of {name}, medians of {rounds} rounds; all give the same ids")
    found = {}
    for way, took in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["map, row by row"], took, strict=True))
        found[way] = {"rate": len(rows) / statistics.median(took), "ratio": ratio}
        print(f"{way:32} {found[way]['rate']:9,.0f} rows/s   {ratio:5.2f} times row by row")
    return {"data": name, "rows": len(rows), "ways": found}


def main() -> None:
    "Measure memory, then speed; print both and save them where asked."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows to read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", default="pairs", help="a dataset whose train split is tokenised")
    parser.add_argument("--save", type=Path, help="a JSON file for the figures")
    parser.add_argument("--read", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read(args.read[0], Path(args.read[1]))))
        return
    figures = {"memory": measure_memory(args.rows), "speed": measure_speed(args.data, args.rounds)}
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
