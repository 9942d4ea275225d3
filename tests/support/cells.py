"""Run one notebook as `nbdev_test` does, and count its cells.

    python tests/support/cells.py NOTEBOOK

The last line of output is a JSON object: notebook, cells run, cells skipped with their reasons. Exit code 1 when a cell fails.
"""
import json
import sys
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


def main(path: str) -> int:
    "Run the notebook and print what became of its cells."
    nbdev.test.CaptureShell = Counted
    ok, _ = nbdev.test.test_nb(Path(path).absolute(), skip_flags=get_config().tst_flags.split(), basepath=get_config().config_path)
    print(json.dumps({"notebook": Path(path).name, "ran": Counted.ran, "skipped": Counted.skipped}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
