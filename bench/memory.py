"""The peak of memory over all processes of `hfcourse run`, beside what a laptop can spare.

    python bench/memory.py [--only 01,02] [--most GB]

On Linux each process counts its share of shared pages (PSS), so the sum is what the machine spends.
Exit code 1 where the peak is above what is asked, or a lesson failed.
"""
import argparse
import re
import subprocess
import sys

from hfcourse.ground.running import peak_memory


def main() -> int:
    "Run the course as a user does, and print the peak of each lesson and of all."
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="lessons, as for hfcourse run")
    parser.add_argument("--most", type=float, default=4, help="GB that are asked for (default: 4)")
    given = parser.parse_args()
    only = ["--only", given.only] if given.only else []
    program = "from hfcourse.cli import main; main()"
    words = [sys.executable, "-c", program, "run", *only]
    peaks = []
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    with running, peak_memory(running.pid) as peak:
        for line in running.stdout:
            print(line, end="", flush=True)
            if re.match(r"\w+ ends after", line):
                print(f"    highest sum over all processes: {peak.bytes / 1e9:.2f} GB", flush=True)
                peaks.append(peak.bytes)
                peak.bytes = 0  # each lesson's own
    peaks.append(peak.bytes)
    highest = max(peaks) / 1e9
    print(f"highest of all: {highest:.2f} GB; asked: under {given.most:g} GB")
    return running.returncode or int(highest >= given.most)


if __name__ == "__main__":
    sys.exit(main())
