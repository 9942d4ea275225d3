"""A course on Hugging Face Transformers that runs on a laptop, and the helpers that its notebooks export."""
from importlib import import_module
from typing import Any

from . import _moved as _moved

__version__ = "0.1.0"

#: Where the names live that are used most. They are imported when they are asked for, so that
#: `import hfcourse` itself loads no library.
_HOMES = {
    "trace": "pipeline", "predict": "pipeline", "tokenize": "mapping", "padding_cost": "collation",
    "fine_tune": "training", "report": "evaluation",
    "checkpoint": "assets", "dataset": "assets", "metric": "assets",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - names, as strings


def __getattr__(name: str) -> Any:
    "One of the names that are used most, from the module where it lives."
    if name not in _HOMES:
        raise AttributeError(f"module 'hfcourse' has no attribute {name!r}")
    return getattr(import_module(f"hfcourse.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
