"""Thirty faults, planted one by one in a copy of the checkout: each must be noticed by the tests that are there for it.

    python tests/faults.py                plant all, and say which were noticed; exit code 1 if one was not
    python tests/faults.py NAME...        plant these
    python tests/faults.py --list         their names

A fault of the package is planted in its notebook, and exported, so that it is not the comparison of the two that notices it.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GROUND = ("python", "tests/support/cells.py")
LESSON = ("python", "docs/outputs.py")
PYTEST = ("python", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
SITE = (*PYTEST, "tests/site/test_build.py")


@dataclass(frozen=True)
class Fault:
    "One fault, and the command that must notice it."
    name: str                 # what is wrong
    path: str                 # the file, from the checkout
    old: str                  # what stands there
    new: str                  # what stands there instead
    noticed: tuple[str, ...]  # a command that succeeds without the fault, and fails with it


PACKAGE = [
    Fault("True counts as a whole number", "nbs/ground/checks.ipynb",
          "if isinstance(value, bool) or not hasattr", "if not hasattr", (*GROUND, "nbs/ground/checks.ipynb")),
    Fault("half a character is a text", "nbs/ground/checks.ipynb",
          'text.encode("utf-8")\n', 'text.encode("utf-8", "surrogatepass")\n', (*GROUND, "nbs/ground/checks.ipynb")),
    Fault("RoBERTa takes as many tokens as it has positions", "nbs/ground/forward.ipynb",
          "positions = module.num_embeddings - padding - 1", "positions = module.num_embeddings", (*GROUND, "nbs/ground/forward.ipynb")),
    Fault("a pickle is no reason to refuse", "nbs/ground/store/files.ipynb",
          "if kinds & _PICKLES and not safe:", "if False and not safe:", (*GROUND, "nbs/ground/store/files.ipynb")),
    Fault("a checkpoint is whole without its files being looked at", "nbs/ground/tuning/runs.ipynb",
          "return bool(files) and all(", "return bool(files) or all(", (*GROUND, "nbs/ground/tuning/runs.ipynb")),
    Fault("text becomes markup in a table", "nbs/display.ipynb", "escape(", "str(", (*GROUND, "nbs/display.ipynb")),
    Fault("padding is marked as real", "nbs/ground/filling.ipynb",
          "mask.append([1] * real + [0] * rest)", "mask.append([1] * real + [1] * rest)",
          (*GROUND, "nbs/ground/filling.ipynb")),
    Fault("labels come worst first", "nbs/ground/stages.ipynb",
          'key=lambda entry: entry["score"], reverse=True', 'key=lambda entry: entry["score"]',
          (*PYTEST, "tests/test_predict.py")),
    Fault("GLUE's MRPC has its labels the other way round", "nbs/ground/store/tasks.ipynb",
          '("not_equivalent", "equivalent")', '("equivalent", "not_equivalent")', (*LESSON, "04_pairs")),
    Fault("an array in a file keeps one digit", "nbs/ground/saving.ipynb", "largest / 32767", "largest / 9",
          (*PYTEST, "tests/test_trace.py")),
]
NOTEBOOKS = [
    Fault("a lesson's assertion does not hold", "nbs/02_tokenization.ipynb", "assert ", "assert not ", (*LESSON, "02_tokenization")),
    Fault("a cell fails in the ground", "nbs/ground/lengths.ipynb", "assert ", "assert not ", (*GROUND, "nbs/ground/lengths.ipynb")),
    Fault("a cell is left out without a reason", "nbs/ground/saving.ipynb",
          "with tempfile", "#| eval: false\nwith tempfile", (*GROUND, "nbs/ground/saving.ipynb")),
    Fault("a notebook holds an output", "nbs/03_padding.ipynb", '"outputs": []',
          '"outputs": [{"name": "stdout", "output_type": "stream", "text": ["1"]}]',
          (*PYTEST, "tests/test_repository.py", "-k", "clean")),
    Fault("the package is not what the notebook exports", "hfcourse/ground/filling.py",
          '"Fill every row to one length', '"Fill each row to one length',
          (*PYTEST, "tests/test_repository.py", "-k", "package_equals")),
    Fault("a lesson imports another lesson's module", "hfcourse/padding.py",
          "\n_all_ = ", "\nfrom . import pipeline\n_all_ = ",
          (*PYTEST, "tests/test_house.py", "-k", "keeps_its_rules")),
    Fault("the ground imports upward", "hfcourse/ground/checks.py", "import numpy as np\n", "import numpy as np\nfrom . import running\n",
          (*PYTEST, "tests/test_house.py", "-k", "keeps_its_rules")),
    Fault("the README is not what its notebook gives", "README.md", "# hfcourse", "# The course",
          (*PYTEST, "tests/test_repository.py", "-k", "readme")),
    Fault("a lesson has no table of old and present forms", "nbs/03_padding.ipynb", "older notes", "before",
          (*PYTEST, "tests/test_lessons.py", "-k", "then_and_now")),
    Fault("a lesson does not say its minutes", "nbs/03_padding.ipynb", "Minutes: ", "Time: ",
          (*PYTEST, "tests/test_lessons.py", "-k", "minutes")),
]
REST = [
    Fault("a page links to nothing", "docs/pages/teachers.md", "# ", "[there](nowhere.md)\n\n# ", (*SITE, "-k", "sound")),
    Fault("a page names what does not exist", "docs/pages/teachers.md",
          "\n\n", "\n\n`hfcourse.padding.no_such_name` fills.\n\n", (*SITE, "-k", "sound")),
    Fault("a page asks another host", "docs/static/site.js", "", 'fetch("https://example.org/");\n',
          (*PYTEST, "tests/site/test_pages.py", "-k", "sound and index and not reference")),
    Fault("a text is too pale to read", "docs/static/site.css", "", "article p { color: #bbb !important; }\n",
          (*PYTEST, "tests/site/test_pages.py", "-k", "sound and glossary")),
    Fault("a page is wider than a phone", "docs/static/site.css", "", "article p { min-width: 900px; }\n",
          (*PYTEST, "tests/site/test_pages.py", "-k", "sound and glossary")),
    Fault("the wheel leaves the lessons out", "setup.py", '.glob("[0-9]*.ipynb")', '.glob("none*.ipynb")',
          (*PYTEST, "tests/test_wheel.py", "-k", "holds_lessons")),
    Fault("a pin lies outside its range", "constraints.txt", "\ntyper==", "\ntyper==99.",
          (*PYTEST, "tests/test_repository.py", "-k", "constraints")),
    Fault("a workflow does what no make target does", ".github/workflows/test.yml", "- run: make test PYTHON=python", "- run: pytest",
          (*PYTEST, "tests/test_repository.py", "-k", "targets_only")),
    Fault("a workflow is none for GitHub", ".github/workflows/test.yml", "runs-on:", "runs_on:",
          (*PYTEST, "tests/test_repository.py", "-k", "schema")),
    Fault("importing the package loads torch", "hfcourse/__init__.py", "from importlib import import_module\n",
          "from importlib import import_module\nimport torch\n", (*PYTEST, "tests/test_command.py", "-k", "heavy")),
]
FAULTS = [*PACKAGE, *NOTEBOOKS, *REST]


def copied(home: Path) -> Path:
    "The files under version control, as they are now, with the environment's other parts linked."
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if name and (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes((ROOT / name).read_bytes())
    if (ROOT / "docs" / "node_modules").exists():
        (home / "docs" / "node_modules").symlink_to(ROOT / "docs" / "node_modules")
    if (ROOT / "_build" / "executed").exists():  # the lessons' outputs, so that a page need not wait for them
        (home / "_build").mkdir()
        subprocess.run(["cp", "-r", ROOT / "_build" / "executed", home / "_build" / "executed"], check=True)
    someone = ["-c", "user.name=faults", "-c", "user.email=faults@localhost"]
    for words in (["init", "-q"], ["add", "--all"], [*someone, "commit", "-q", "-m", "a copy"]):
        subprocess.run(["git", *words], cwd=home, check=True)
    return home


def call(home: Path, *words: str) -> subprocess.CompletedProcess:
    "Run a command of the copy, with the copy's package."
    env = {**os.environ, "PYTHONPATH": str(home), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    words = (sys.executable if words[0] == "python" else words[0], *words[1:])
    return subprocess.run(words, cwd=home, env=env, capture_output=True, text=True, encoding="utf-8", timeout=1800)


def planted(text: str, fault: Fault) -> str:
    "The file with its fault; in a notebook inside a cell's source."
    if not fault.old:
        return text + fault.new
    if fault.path.endswith(".ipynb") and not fault.old.startswith('"'):
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if fault.old in source:
                cell["source"] = source.replace(fault.old, fault.new, 1).splitlines(keepends=True)
                return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        return text
    return text.replace(fault.old, fault.new, 1)


def main() -> int:
    "Plant the faults and say what noticed them."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which faults, by words of their names")
    parser.add_argument("--list", action="store_true", help="say their names")
    args = parser.parse_args()
    chosen = [fault for fault in FAULTS if not args.names or any(name in fault.name for name in args.names)]
    if args.list:
        print(*(fault.name for fault in chosen), sep="\n")
        return 0
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        home = copied(Path(folder))
        for command in dict.fromkeys(fault.noticed for fault in chosen):
            done = call(home, *command)
            if done.returncode:
                print(f"without a fault, this fails: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
                return 1
        for fault in chosen:
            began, path = time.perf_counter(), home / fault.path
            before = path.read_text(encoding="utf-8")
            after = planted(before, fault)
            if after == before:
                print(f"NOT PLANTED  {fault.name}: {fault.path} does not hold {fault.old!r}")
                missed += 1
                continue
            path.write_text(after, encoding="utf-8")
            if fault in PACKAGE:
                call(home, "python", "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()")
            noticed = call(home, *fault.noticed).returncode != 0
            missed += not noticed
            print(f"{'noticed' if noticed else 'MISSED'}  {fault.name} ({time.perf_counter() - began:.0f} s)", flush=True)
            path.write_text(before, encoding="utf-8")
            if fault in PACKAGE:
                call(home, "python", "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()")
    print(f"{len(chosen) - missed} of {len(chosen)} faults noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
