"""The modules of the first edition by their old names: each hands on the names that it had, from where they are now."""
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

#: Each old module, and the modules below `hfcourse` that hold its names now; the first that has a name counts.
MOVED = {
    "capture": ("ground.forward", "ground.checks", "ground.machine"),
    "checkpoints": ("ground.tuning.runs",),
    "course": ("ground.running",),
    "features": ("ground.tokenised",),
    "files": ("ground.store.files", "ground.store.errors", "ground.store.checkpoints", "ground.checks"),
    "glue": ("ground.store.glue", "ground.store.tasks"),
    "keeper": ("ground.tuning.trainer",),
    "labelled": ("ground.tokenised", "ground.problems", "ground.tuning.batches"),
    "prepare": ("ground.tuning.inputs", "ground.tuning.figures", "ground.tuning.words", "ground.loading", "ground.machine"),
    "record": ("ground.trace", "ground.saving"),
    "rows": ("ground.checks",),
    "small": ("ground.small",),
    "source": ("ground.loading",),
    "tables": ("ground.tables", "ground.machine"),
    "verdict": ("ground.report",),
}
#: Names that are called otherwise now.
RENAMED = {
    "course": {"choose": ("ground.running", "choose_lessons")},
    "features": {"as_size": ("ground.checks", "whole")},
    "tables": {"threads_kept": ("ground.machine", "run_apart")},  # it does what that was for
}


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    "Finds the modules of `MOVED`, where nothing else is found under their names."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        "A module of the first edition, or None for any other name."
        package, _, name = fullname.rpartition(".")
        known = package == "hfcourse" and name in MOVED
        return importlib.util.spec_from_loader(fullname, self) if known else None

    def exec_module(self, module: ModuleType) -> None:
        "Fill the module with the names that it had."
        old = module.__name__.rpartition(".")[2]
        warnings.warn(
            f"hfcourse.{old} is now {' and '.join(f'hfcourse.{new}' for new in MOVED[old])}: import from there.",
            DeprecationWarning, stacklevel=2)
        for place in reversed(MOVED[old]):
            home = importlib.import_module(f"hfcourse.{place}")
            for name in home.__all__:
                setattr(module, name, getattr(home, name))
        for name, (place, new) in RENAMED.get(old, {}).items():
            setattr(module, name, getattr(importlib.import_module(f"hfcourse.{place}"), new))


sys.meta_path.append(_Moved())
