"""Run notebooks as `nbdev_test` does, each in a process of its own, and count their cells.

    python tests/support/cells.py NOTEBOOK...

For each notebook a line of output, a JSON object: notebook, cells run, cells skipped with their reasons, and the error or null.
Exit code 1 when a cell fails. Where the system can copy a process, the libraries are imported once and each notebook gets a
copy; elsewhere each gets a process that begins anew.
"""
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import nbdev.test
from nbdev.config import get_config

from hfcourse.ground.running import why_skipped


class Counted(nbdev.test.CaptureShell):
    "nbdev's shell, which notes what it runs and what it is told to leave out."
    ran, skipped, number = 0, [], 0

    def run_all(self, nb, preproc, **options):
        "Run all cells; a cell that is left out must say why."
        def noted(cell):
            leave_out = preproc(cell)
            if cell.cell_type == "code" and cell.source.strip():
                Counted.number += 1
                source = "\n".join(f"#| {name}{' '.join(value)}" for name, value in cell.directives_.items()) + "\n" + cell.source
                if leave_out and (reason := why_skipped(source)) is None:
                    raise ValueError(f"cell {Counted.number} is left out and does not say why: write `# skipped: the reason`.")
                if leave_out:
                    Counted.skipped.append((Counted.number, reason))
                else:
                    Counted.ran += 1
            return leave_out
        return super().run_all(nb, preproc=noted, **options)


def run_one(path: Path, told: Path) -> int:
    "Run one notebook in this process, and write what became of it."
    nbdev.test.CaptureShell = Counted
    flags = get_config().tst_flags.split()
    try:
        ok, _ = nbdev.test.test_nb(path.absolute(), skip_flags=flags, basepath=get_config().config_path)
        error = None if ok else "a cell failed: its traceback is above."
    except Exception:  # a cell that is left out without a reason, a notebook that is none
        ok, error = False, traceback.format_exc()
    row = {"notebook": path.name, "ran": Counted.ran, "skipped": Counted.skipped, "error": error}
    told.write_text(json.dumps(row), encoding="utf-8")
    return 0 if ok else 1


def started(path: Path, told: Path, log: Path):
    "Begin a notebook in a process of its own; what is returned waits for its end and gives the exit code."
    if not hasattr(os, "fork"):
        words = [sys.executable, __file__, "--one", str(path), str(told)]
        with log.open("wb") as file:
            child = subprocess.Popen(words, stdout=file, stderr=file)
        return child.wait
    number = os.fork()
    if number:
        return lambda: os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = 1
    try:
        code = run_one(path, told)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def preload() -> None:
    "Import what nearly every notebook needs, so that the copies of this process have it."
    import datasets  # noqa: F401
    import evaluate  # noqa: F401
    import torch  # noqa: F401
    from transformers import AutoModelForSequenceClassification, Trainer, pipeline  # noqa: F401


def main(paths: list[Path], at_once: int = 2) -> int:
    "Run the notebooks, `at_once` at a time, and print what became of each, in order."
    if len(paths) > 1 and hasattr(os, "fork"):
        preload()
    failed, waiting, going, rows = 0, list(enumerate(paths)), [], {}
    with tempfile.TemporaryDirectory() as home:
        while waiting or going:
            while waiting and len(going) < at_once:
                number, path = waiting.pop(0)
                told, log = Path(home, f"{number}.json"), Path(home, f"{number}.log")
                going.append((number, path, told, log, started(path, told, log)))
            number, path, told, log, end = going.pop(0)
            code = end()
            failed += code != 0
            died = {"notebook": path.name, "ran": 0, "skipped": [], "error": f"its process ended with {code}."}
            rows[number] = json.loads(told.read_text(encoding="utf-8")) if told.exists() else died
            if code:
                print(f"{path}:\n{log.read_text(encoding='utf-8', errors='replace')}\n{rows[number]['error']}", file=sys.stderr)
            print(json.dumps(rows[number]), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.exit(run_one(Path(sys.argv[2]), Path(sys.argv[3])))
    sys.exit(main(list(map(Path, sys.argv[1:]))))
