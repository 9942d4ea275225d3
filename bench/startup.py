"""Time what a user waits for at a prompt, each in a process of its own, beside an empty Python.

    python bench/startup.py
"""
import statistics
import subprocess
import sys
import time

RUNS = 7
CASES = {
    "python": "pass", "import hfcourse": "import hfcourse", "import hfcourse.assets": "import hfcourse.assets",
    "import hfcourse.evaluation": "import hfcourse.evaluation", "import hfcourse.pipeline": "import hfcourse.pipeline",
    "import transformers": "import torch, transformers",
}


def seconds(code: str) -> float:
    "The median wall time of a process that runs the code."
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    "Print a line a case: its time, and what it adds to an empty Python."
    empty = None
    for name, code in CASES.items():
        took = seconds(code)
        empty = took if empty is None else empty
        print(f"{name:26} {took:6.2f} s   over an empty Python: {took - empty:5.2f} s")


if __name__ == "__main__":
    main()
