"""What comes from the Hub, against a small Hub on 127.0.0.1: fetched whole, or refused with a remedy and nothing broken left behind."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hub import serving

from hfcourse.ground.small import small_model
from hfcourse.ground.store import checkpoints
from hfcourse.ground.store.files import check_folder

# The endpoint is read when huggingface_hub is imported, so each case is a process of its own, which evaluates its arguments.
CHILD = """
import json, os, sys, time, urllib.request
from hashlib import sha256
from pathlib import Path
pauses = []
time.sleep = pauses.append  # the pauses of the Hub's client are counted, not slept
from huggingface_hub import hf_hub_download
from hfcourse.ground import loading
from hfcourse.ground.store import checkpoints, files
from hfcourse.assets import checkpoint, dataset
carried, checkpoints._carried = checkpoints._carried, lambda: None

def heal():
    urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/heal").read()

def left():
    "Every file in the Hub's cache that holds content, by its path."
    blobs = Path(os.environ["HF_HUB_CACHE"]).glob("*/blobs/*")
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in blobs}

class Noting(type(sys)):
    "A module that notes which of its names are given another value."

    def __setattr__(self, name, value):
        written.append(name)
        super().__setattr__(name, value)

def note():
    import datasets, huggingface_hub
    for module in (datasets.config, huggingface_hub.constants):
        module.__class__ = Noting

answers, written = [], []
for step in sys.argv[1:]:
    try:
        answers.append(eval(step))
    except Exception as error:
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps([*answers, sum(pauses)], default=str))
"""
MINILM, SMALL, MRPC = "checkpoint('minilm')", "checkpoint('me/small')", "dataset('mrpc')['validation'][:]"
ROWS = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 1]}
PARQUET = "mrpc/validation-00000-of-00001.parquet"


def ask(url: str, cache: Path, *steps: str, patience: int = 30, **settings: str) -> list:
    "What each step gives, or its error, in a fresh process that has the Hub `url`, its caches in `cache`, and may pause so many seconds."
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HFCOURSE_", "TRANSFORMERS_"))}
    places = {"HF_ENDPOINT": url, "HF_HOME": str(cache), "HF_HUB_CACHE": str(cache / "hub"), "HFCOURSE_CACHE": str(cache / "course")}
    done = subprocess.run([sys.executable, "-c", CHILD, *steps], env={**plain, **places, "NO_PROXY": "127.0.0.1", **settings},
                          capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    *answers, pauses = json.loads(done.stdout)
    assert pauses <= patience, f"it would have paused for {pauses} s"
    return answers


@cache
def hashes(folder: Path) -> set[str]:
    "The sha256 of each file under a folder."
    return {sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def repos(tmp_path_factory) -> dict[str, Path]:
    "The repositories: the real body, a small model and two that must be refused, and three splits of two rows."
    home = tmp_path_factory.mktemp("repos")
    small, bare, pickled, foreign, glue = (home / name for name in ("small", "bare", "pickled", "foreign", "glue"))
    for part in small_model("bert", "text-classification"):
        part.save_pretrained(small)
    (small / "training_args.bin").write_text("a pickle")
    (small / "mine.py").write_text("raise SystemExit('foreign code was run')")
    for folder in (pickled, foreign):
        shutil.copytree(small, folder)
    shutil.copytree(small, bare, ignore=shutil.ignore_patterns("tokenizer*"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (foreign / "config.json").write_text('{"model_type": "mine", "auto_map": {"AutoModel": "mine.Model"}}')
    (glue / "mrpc").mkdir(parents=True)
    for split in ("train", "validation", "test"):
        pyarrow.parquet.write_table(pyarrow.table(ROWS), glue / PARQUET.replace("validation", split))
    files = "\n".join(f"  - split: {split}\n    path: mrpc/{split}-*" for split in ("train", "validation", "test"))
    (glue / "README.md").write_text(f"---\nconfigs:\n- config_name: mrpc\n  data_files:\n{files}\n---\n")
    return {"models/" + checkpoints._BODY: checkpoints._carried(), "models/me/small": small, "models/me/pickled": pickled,
            "models/me/bare": bare, "models/me/foreign": foreign, "datasets/nyu-mll/glue": glue}


@pytest.fixture
def nowhere() -> str:
    "The address of a port that nothing listens on."
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_minilm_comes_whole_from_the_hub_and_then_without_it(repos, tmp_path):
    with serving(repos) as hub:
        [folder] = ask(hub.url, tmp_path, MINILM)
    assert Path(folder).is_relative_to(tmp_path) and checkpoints._wrong_files(Path(folder)) == []
    assert ask(hub.url, tmp_path, MINILM, patience=0) == [folder]


def test_any_checkpoint_of_the_hub_comes_without_pickles_or_code_and_is_asked_for_once(repos, tmp_path):
    with serving(repos) as hub:
        [folder] = ask(hub.url, tmp_path, SMALL)
        asked = len(hub.asked)
        assert ask(hub.url, tmp_path, SMALL) == [folder]
    assert len(hub.asked) == asked
    small = repos["models/me/small"]
    assert {path.name for path in Path(folder).iterdir()} == {path.name for path in small.iterdir()} - {"training_args.bin", "mine.py"}
    assert hashes(Path(folder)) < hashes(small)


def test_what_another_program_left_in_the_cache_is_completed(repos, tmp_path):
    weights_only = f"hf_hub_download({checkpoints._BODY!r}, 'model.safetensors', revision={checkpoints._REVISION!r})"
    config_too = weights_only.replace("model.safetensors", "config.json")
    with serving(repos) as hub:
        *_, folder = ask(hub.url, tmp_path, weights_only, config_too, MINILM)
    assert checkpoints._wrong_files(Path(folder)) == []


def test_a_tokenizer_that_the_cache_lacks_is_fetched_when_it_is_asked_for(repos, tmp_path):
    "A program that wanted the model alone left its config and weights; and a damaged tokenizer is fetched anew."
    folder = "Path(checkpoint('me/small', tokenizer=False))"
    weights_only = [f"hf_hub_download('me/small', {name!r})" for name in ("config.json", "model.safetensors")]
    load = "len(loading.load_tokenizer('me/small'))"
    tear = f"({folder} / 'tokenizer.json').write_text('{{')"
    with serving(repos) as hub:
        *_, before, first = ask(hub.url, tmp_path, *weights_only, f"sorted(os.listdir({folder}))", load)
        _, refused, again = ask(hub.url, tmp_path, tear, load, load)
    assert "tokenizer.json" not in before
    assert first == again == len(small_model("bert", "text-classification")[1])
    assert refused == again or "Try again" in refused


def test_a_checkpoint_without_a_tokenizer_is_refused_where_one_is_asked_for(repos, tmp_path):
    "The library would make up an empty one; the model alone is still to be had."
    with serving(repos) as hub:
        _, model, error = ask(hub.url, tmp_path, "checkpoint('me/bare')", "type(loading.load_model('me/bare')).__name__",
                              "loading.load_tokenizer('me/bare')")
    assert model == "BertForSequenceClassification"
    assert error.startswith("AssetError: checkpoint 'me/bare': ")
    assert "has no tokenizer" in error and "tokenizer.save_pretrained(folder)" in error


FAULTS = {  # what goes wrong, what is asked for, what the error must say, what mends it
    "weights cut short": ({"model.safetensors": "cut"}, SMALL, "peer closed connection", "Check the name and the connection"),
    "the body cut short": ({"model.safetensors": "cut"}, MINILM, "peer closed connection", "pip install 'hfcourse[offline]'"),
    "the body's weights are others": ({"model.safetensors": "small"}, MINILM, "model.safetensors is not as published", "pip install"),
    "rubbish for weights": ({"model.safetensors": Path(__file__)}, SMALL, "model.safetensors is truncated or damaged", "Try again"),
    "rubbish for a config": ({"config.json": Path(__file__)}, SMALL, "config.json cannot be read as JSON", "Try again"),
    "a file is missing": ({"tokenizer.json": 404}, SMALL, "Entry Not Found for url: .*/tokenizer.json", "Check the name"),
    "a file fails": ({"model.safetensors": 500}, SMALL, "500 Internal Server Error.*/model.safetensors", "Check the name"),
    "all fails": ({"api": 500}, SMALL, "500 Internal Server Error", "give a folder that holds the checkpoint"),
    "no answer": ({"api": "silent"}, SMALL, "timed out", "Check the name and the connection"),
    "data cut short": ({PARQUET: "cut"}, MRPC, "peer closed connection", "Set HFCOURSE_DATA_MRPC"),
    "data missing": ({PARQUET: 404}, MRPC, "Entry Not Found for url: .*/validation", "Set HFCOURSE_DATA_MRPC"),
    "rubbish for data": ({PARQUET: Path(__file__)}, MRPC, "Parquet magic bytes not found", "Set HFCOURSE_DATA_MRPC"),
}


@pytest.mark.parametrize(("fault", "call", "fact", "remedy"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_hub_is_told_and_leaves_nothing_broken_so_the_next_try_succeeds(fault, call, fact, remedy, repos, tmp_path):
    fault = {name: repos["models/me/small"] / name if wrong == "small" else wrong for name, wrong in fault.items()}
    patience = "setattr(files, '_PATIENCE', 2)" if "silent" in fault.values() else "None"
    with serving(repos, fault) as hub:
        _, error, left, _, again = ask(hub.url, tmp_path, patience, call, "left()", "heal()", call)
    assert error.startswith("AssetError: ")
    assert re.search(fact, error) and remedy in error
    assert not [path for path in left if path.endswith(".incomplete")]
    assert call == MRPC or set(left.values()) <= set.union(*(hashes(folder) for folder in repos.values()))
    assert again == ROWS if call == MRPC else check_folder(Path(again), call) == again


@pytest.mark.parametrize(("name", "fact", "remedy"), [
    ("me/none", "Repository Not Found", "Check the name"),
    ("me/pickled", "holds its weights as a pickle only", "Use a revision that has model.safetensors"),
    ("me/foreign", "code of its own", "Use a checkpoint whose classes transformers itself carries"),
])
def test_what_cannot_be_used_is_refused_before_its_weights_or_code_are_fetched(name, fact, remedy, repos, tmp_path):
    with serving(repos) as hub:
        [error] = ask(hub.url, tmp_path, f"checkpoint({name!r})")
    assert error.startswith("AssetError: ")
    assert fact in error and remedy in error
    assert not [asked for asked in hub.asked if asked.endswith((".bin", ".safetensors", ".py"))]


@pytest.mark.parametrize(("call", "remedy"), [(MINILM, "pip install"), (SMALL, "the connection"), (MRPC, "Set HFCOURSE_DATA_MRPC")])
def test_without_a_server_the_error_comes_at_once(call, remedy, nowhere, tmp_path):
    [error] = ask(nowhere, tmp_path, call, patience=0)
    assert error.startswith("AssetError: ")
    assert "Connection refused" in error and remedy in error


def test_a_dataset_of_the_hub_comes_whole_and_then_without_it(repos, tmp_path):
    with serving(repos) as hub:
        assert ask(hub.url, tmp_path, "list(dataset('mrpc'))", MRPC) == [["train", "validation", "test"], ROWS]
    rows, written = ask(hub.url, tmp_path, "note()", MRPC, "written", patience=0)[1:]
    assert rows == ROWS and "HF_HUB_OFFLINE" not in written  # other threads go on asking the Hub
    assert ask(hub.url, tmp_path, MRPC, patience=0, HF_HUB_OFFLINE="1") == [ROWS]


@pytest.mark.parametrize("as_folder", [True, False])
def test_the_setting_chooses_the_body(as_folder, repos, tmp_path):
    chosen = str(repos["models/me/small"]) if as_folder else "me/small"
    with serving(repos) as hub:
        [folder] = ask(hub.url, tmp_path, MINILM, HFCOURSE_CHECKPOINT_MINILM=chosen)
    assert hashes(Path(folder)) <= hashes(repos["models/me/small"])
    assert (hub.asked == []) == as_folder


def test_the_pip_package_that_carries_the_body_needs_no_hub(repos, tmp_path):
    with serving(repos) as hub:
        _, folder = ask(hub.url, tmp_path, "setattr(checkpoints, '_carried', carried)", MINILM)
    assert folder == str(checkpoints._carried())
    assert hub.asked == []
