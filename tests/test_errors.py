"""What is raised and what is returned survives copying, pickling and the way back from another process, whole."""

import copy
import dataclasses
import inspect
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from near import small

import hfcourse
from hfcourse import attention, display, evaluation, heads, models, pairs, pipeline, tokenization, training
from hfcourse.assets import AssetError, checkpoint
from hfcourse.ground import forward
from hfcourse.ground.store.errors import why

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy}
ERRORS = {AssetError: ("checkpoint 'x'", "there is no such folder.", "Give a folder that exists.")}  # each class with its parts


def through_pickle(value, protocol):
    "What comes out of a value's pickle."
    return pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - our own bytes


WAYS |= {f"pickle {protocol}": partial(through_pickle, protocol=protocol) for protocol in PROTOCOLS}


def classes():
    "Every class that the package defines, by its module and name."
    names = [found.name for found in pkgutil.walk_packages(hfcourse.__path__, "hfcourse.") if "._" not in found.name]
    for name in names:
        for kind in vars(import_module(name)).values():
            if inspect.isclass(kind) and kind.__module__ == name:
                yield f"{name}.{kind.__qualname__}", kind


CLASSES = dict(classes())
VALUES = {name: kind for name, kind in CLASSES.items() if dataclasses.is_dataclass(kind)}


def same(one, two):
    "Whether two values are equal, arrays and what lies in them too."
    if isinstance(one, np.ndarray):
        return isinstance(two, np.ndarray) and one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and one.dtype == two.dtype and torch.equal(one, two)
    if dataclasses.is_dataclass(one):
        return type(one) is type(two) and all(same(getattr(one, field.name), getattr(two, field.name)) for field in dataclasses.fields(one))
    if isinstance(one, dict):
        return type(one) is type(two) and list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(two) and len(one) == len(two) and all(map(same, one, two))
    return one == two


def test_every_error_of_the_package_is_tried():
    "A class of errors that is added is added here too."
    assert {kind for kind in CLASSES.values() if issubclass(kind, BaseException)} == set(ERRORS)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_survives_with_its_parts(kind, way):
    "Words, parts, and what was noted on it later."
    error = kind(*ERRORS[kind])
    error.__notes__ = ["in lesson 05"]  # as add_note of Python 3.11 does it
    twin = way(error)
    assert type(twin) is kind and twin is not error
    assert str(twin) == str(error) == "checkpoint 'x': there is no such folder. Give a folder that exists."
    assert (twin.sought, twin.found, twin.remedy) == ERRORS[kind] and vars(twin) == vars(error) and twin.args == error.args


def test_an_error_comes_back_from_a_process_pool_with_its_remedy():
    "A process that is started afresh sends what it raised as a pickle."
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(checkpoint, "./no/such/folder").exception(120)
    assert type(error) is AssetError
    assert (error.sought, error.found, error.remedy) == (
        "checkpoint './no/such/folder'", "there is no such folder.", "Give a folder that exists, or a name on the Hub.")


def test_it_is_what_the_library_raises():
    "One `except OSError` catches both; it bears no number and no file, which Python would make of its parts."
    from transformers import AutoModel
    for call in (checkpoint, AutoModel.from_pretrained):
        with pytest.raises(OSError):
            call("./no/such/folder")
    error = AssetError("a", "b.", "C.")
    assert isinstance(error, OSError) and (error.errno, error.strerror, error.filename) == (None, None, None)
    assert why(error) == "AssetError: a: b. C"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_class_survives(name, way):
    "Whatever its fields hold, here something else in each."
    kind = VALUES[name]
    value = object.__new__(kind)
    for i, field in enumerate(dataclasses.fields(kind)):
        object.__setattr__(value, field.name, [field.name, i, {"one": np.arange(i)}])
    twin = way(value)
    assert twin is not value and same(value, twin)


MODEL, TOKENIZER = small("bert", "text-classification")
MADE = {
    "Trace": lambda: pipeline.trace((MODEL, TOKENIZER), "The cat sat."),
    "Captured": lambda: forward.capture(MODEL, pipeline.encode(TOKENIZER, "The cat sat.")),
    "Report": lambda: evaluation.report([[2.0, 1], [0, 1]], [1, 1], draws=9),
    "Curves": lambda: training.Curves.of([{"loss": 1.0, "step": 1}, {"eval_loss": 0.5, "step": 2}]),
    "EncodedPair": lambda: pairs.encode_pair(TOKENIZER, "The cat", "A dog"),
    "Attended": lambda: attention.scaled_dot_product([[1.0]], [[1.0]], [[1.0]]),
    "Masks": lambda: attention.attention_masks([[1, 1]]),
    "Steps": lambda: tokenization.steps(TOKENIZER, "The cat sat."),
    "Vocabulary": lambda: tokenization.word_vocabulary(["the cat sat"]),
    "Comparison": lambda: models.same_weights(MODEL, small("bert")[0]),
    "blueprint": lambda: models.blueprint(MODEL),
    "Head": lambda: heads.HEADS["ForMaskedLM"],
    "Chart": lambda: display.Chart([1, 2], {"a": [1, 2]}, says="a line that rises"),
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_function_returns_survives_and_shows_itself_as_before(name):
    "With what its fields hold indeed: arrays, dictionaries with numbers for keys, other values."
    value = MADE[name]()
    for way, make in WAYS.items():
        twin = make(value)
        assert same(value, twin) and repr(twin) == repr(value), way
