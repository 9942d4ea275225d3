"""What the notebooks' cells give: each is run once for each state of cells and package, in a process without a network.

    python docs/outputs.py              run the lessons and the index where no run is kept; say how each ended
    python docs/outputs.py NOTEBOOK...  run these, whatever is kept; the last line of each is a JSON object that counts its cells

The site shows these outputs, the README is made from them, and the tests judge them.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from filelock import FileLock

from hfcourse.ground import running

ROOT = Path(__file__).parents[1]
NOTEBOOKS, PACKAGE, KEPT = ROOT / "nbs", ROOT / "hfcourse", ROOT / "_build" / "executed"
INDEX = running.Lesson("index", "hfcourse", 0, NOTEBOOKS / "index.ipynb")
#: What a run gets: no progress bars, the CPU, and the Hub never asked.
SETTINGS = {"TQDM_DISABLE": "1", "HFCOURSE_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}

#: Where a namespace without interfaces cannot be had, sockets that refuse stand in for it.
REFUSE = """
import socket
def refused(*words, **named):
    raise OSError("there is no network in this test")
class Closed(socket.socket):
    def connect(self, address):
        local = self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1")
        return super().connect(address) if local else refused()
    connect_ex = connect
socket.socket, socket.getaddrinfo, socket.create_connection = Closed, refused, refused
"""


class PageError(Exception):
    "A notebook that cannot become a page: says which one, which cell, and why."


def every() -> list[running.Lesson]:
    "The index and the lessons, in the order in which they run."
    return [*running.lessons(), INDEX]


def cores() -> int:
    "The CPU cores that a lesson may use."
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cut_off(home: Path) -> tuple[list[str], dict[str, str]]:
    "Words before a command, and its environment, that take the network away, and every cache but the one in `home`."
    env = {**os.environ, "HF_HOME": str(home / "hf"), "HFCOURSE_CACHE": str(home / "cache")}
    space = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run([*space, "true"], capture_output=True).returncode == 0:
        return space, env
    (home / "sitecustomize.py").write_text(REFUSE, encoding="utf-8")
    return [], {**env, "PYTHONPATH": os.pathsep.join(filter(None, [str(home), env.get("PYTHONPATH")]))}


def state(notebook: nbformat.NotebookNode) -> str:
    "What the outputs depend on, as a hash: the cells, the package with what it ships, the pinned packages, Python."
    sources = [cell.source.encode() for cell in notebook.cells if cell.cell_type == "code"]
    shipped = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files = [*sorted(shipped), ROOT / "constraints.txt"]
    parts = [sys.version.encode(), *sources, *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def kept(lesson: running.Lesson, folder: Path = KEPT) -> nbformat.NotebookNode | None:
    "The notebook with the outputs of a run of just this state, failed or not; None where there was none."
    try:
        notebook = nbformat.read(lesson.path, as_version=4)
    except (OSError, ValueError) as error:
        raise PageError(f"{lesson.name} is no notebook: {error}") from error
    try:
        old = nbformat.read(folder / f"{lesson.name}.ipynb", as_version=4)
    except (OSError, ValueError):  # none yet, or half of one
        return None
    if old.metadata.get("run", {}).get("state") != state(notebook):
        return None
    ran = iter([cell for cell in old.cells if cell.cell_type == "code"])  # text may have changed since, and stand elsewhere
    notebook.cells = [next(ran) if cell.cell_type == "code" else cell for cell in notebook.cells]
    notebook.metadata.run = old.metadata.run
    return notebook


def run(lessons: Sequence[running.Lesson], folder: Path = KEPT, *, afresh: bool = False) -> None:
    "Run notebooks one after the other in a process without a network, and keep each with its outputs."
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"), tempfile.TemporaryDirectory() as home:
        if not afresh:  # another process may have run them meanwhile
            lessons = [lesson for lesson in lessons if kept(lesson, folder) is None]
        if not lessons:
            return
        before, env = cut_off(Path(home))
        env["HFCOURSE_CACHE"] = str(folder / "cache")  # what one lesson keeps there, the next one finds
        words = [sys.executable, __file__, "--inside", folder, *(lesson.path for lesson in lessons)]
        subprocess.run([*before, *map(str, words)], env={**env, **SETTINGS}, check=True)


def executed(lesson: running.Lesson, *, folder: Path = KEPT, afresh: bool = False) -> nbformat.NotebookNode:
    "The notebook with its outputs, run if need be; `PageError` when a cell failed. `metadata.run` tells of the run."
    if afresh or kept(lesson, folder) is None:
        run([lesson], folder, afresh=afresh)
    notebook = kept(lesson, folder)
    if notebook is None:
        raise PageError(f"{lesson.name}: its outputs are not kept; did the notebook change while it ran?")
    if notebook.metadata.run.failed:
        number, source, error = notebook.metadata.run.failed
        raise PageError(f"{lesson.name}, code cell {number}:\n\n{source}\n\n{error}")
    return notebook


def _inside(folder: Path, paths: Sequence[Path]) -> None:
    "What runs without a network: each notebook in a kernel of its own, kept with its outputs and what became of it."
    for path in paths:
        lesson = running.Lesson(path.stem, "", 0, path)
        now = state(nbformat.read(path, as_version=4))
        outcome = running.run(lesson)
        outcome.notebook.metadata.run = {
            "state": now, "seconds": round(outcome.seconds, 1), "cores": cores(), "ran": outcome.ran,
            "skipped": outcome.skipped, "failed": outcome.failed}
        running.write_whole(folder / f"{lesson.name}.ipynb", nbformat.writes(outcome.notebook) + "\n")
        print(f"{lesson.name}: {'ok' if outcome.ok else 'FAILED'}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)


def main(words: list[str]) -> int:
    "Run notebooks and count their cells."
    if words[:1] == ["--inside"]:
        _inside(Path(words[1]), list(map(Path, words[2:])))
        return 0
    known = {lesson.name: lesson for lesson in every()}
    wrong = [word for word in words if Path(word).stem not in known]
    if wrong:
        print(f"{wrong[0]} is no lesson: give one of {', '.join(known)}.", file=sys.stderr)
        return 2
    chosen = [known[Path(word).stem] for word in words] or [one for one in every() if kept(one) is None]
    if chosen:
        run(chosen, afresh=bool(words))
    failed = 0
    for lesson in chosen:
        try:
            facts = executed(lesson).metadata.run
        except PageError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        print(json.dumps({"notebook": f"{lesson.name}.ipynb", "ran": facts["ran"], "skipped": facts["skipped"]}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
