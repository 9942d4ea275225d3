"""What the tests of answers share: small models made once, and a comparison of answers that allows for rounding."""

from functools import cache
from numbers import Integral, Real
from typing import Any

from transformers import Pipeline, pipeline

from hfcourse.ground.small import small_model

small = cache(small_model)


def pipe(task: str, model: Any, tokenizer: Any, **options: Any) -> Pipeline:
    "The library's own pipeline on the CPU."
    return pipeline(task, model=model, tokenizer=tokenizer, device="cpu", **options)


def same(ours: Any, theirs: Any, within: float = 1e-5) -> bool:
    "Whether two answers have the same kinds, keys, labels and order, and scores that differ by no more than `within`."
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and list(ours) == list(theirs) and all(same(ours[key], theirs[key], within) for key in theirs)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs, [within] * len(ours)))
    if isinstance(theirs, Real) and not isinstance(theirs, Integral):
        return isinstance(ours, Real) and abs(ours - theirs) <= within
    return ours == theirs
