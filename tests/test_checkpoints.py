"""The sentiment checkpoint is in the cache whole or not at all: a full disk, a killed process, two at once, a cache that is only read."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from near import small

from hfcourse.assets import AssetError
from hfcourse.ground.store import checkpoints
from hfcourse.ground.store.files import check_folder

# Each case is a process of its own, which evaluates its arguments. A folder that is copied stands for the merge where the merge
# itself is not in question, for it would import three libraries.
CHILD = """
import json, os, shutil, signal, sys, time
from pathlib import Path
from hfcourse.assets import AssetError
from hfcourse.ground.store import checkpoints
home = Path(os.environ["HFCOURSE_CACHE"])
made = os.environ["MADE"]

def full(size):
    "From here on no file may grow beyond so many bytes: to a program it is a full disk."
    import filelock, peft, resource, transformers  # what is imported later would meet the limit as well
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))  # -1: no limit

def copied(body, adapter, target):
    "A merge that leaves a mark beside the cache, and takes long enough for another to come."
    (home.parent / f"merged-{os.getpid()}").touch()
    time.sleep(2)
    shutil.copytree(made, target)

def killed(body, adapter, target):
    "A merge that is killed when half of it is written."
    shutil.copytree(made, target)
    os.truncate(target / "model.safetensors", 1000)
    os.kill(os.getpid(), signal.SIGKILL)

answers = []
for step in sys.argv[1:]:
    try:
        answers.append(eval(step))
    except Exception as error:
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps(answers, default=str))
"""
SENTIMENT, LEFT = "checkpoints.checkpoint('sentiment')", "sorted(path.name for path in home.iterdir())"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "A small checkpoint."
    folder = tmp_path_factory.mktemp("made")
    for part in small("bert", "text-classification"):
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def begin(tmp_path, made):
    "Begin a process that has its cache in an empty folder."
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HFCOURSE_CHECKPOINT")}
    env = {**plain, "HFCOURSE_CACHE": str(tmp_path / "cache"), "MADE": str(made)}

    def run(*steps):
        return subprocess.Popen([sys.executable, "-c", CHILD, *steps], env=env, text=True, encoding="utf-8",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return run


def end(process):
    "What each step gave, or its error."
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(out)


def kept(names):
    "The names without that of the lock."
    return [name for name in names if not name.endswith(".lock")]


def test_a_full_disk_is_explained_and_leaves_nothing_behind(begin):
    "At the first byte, in the weights, in the midst of them; with room again, the same process succeeds."
    pytest.importorskip("resource")
    sizes = (0, 100_000, 50_000_000)
    steps = []
    for size in sizes:
        steps += [f"full({size})", SENTIMENT, LEFT]
    *answers, _, folder = end(begin(*steps, "full(-1)", SENTIMENT))
    for error, left in zip(answers[1::3], answers[2::3], strict=True):
        assert error.startswith("AssetError: checkpoint 'sentiment': it could not be written to ")
        assert "Make room there, or set HFCOURSE_CACHE to a folder" in error
        assert kept(left) == []
    assert check_folder(Path(folder), "it", tokenizer=True) == folder


def test_what_a_killed_process_left_is_swept_away(begin, tmp_path):
    "By the next that merges, which finds half of a checkpoint."
    process = begin("setattr(checkpoints, '_merge', killed)", SENTIMENT)
    process.communicate(timeout=300)
    assert process.returncode != 0 and list(tmp_path.glob("cache/*.part-*/*/model.safetensors"))
    _, folder, left = end(begin("setattr(checkpoints, '_merge', copied)", SENTIMENT, LEFT))
    assert kept(left) == [Path(folder).name]


def test_two_processes_at_once_make_locked(begin, tmp_path):
    "The second waits for the first, and takes what it made."
    both = [begin("setattr(checkpoints, '_merge', copied)", SENTIMENT, LEFT) for _ in range(2)]
    one, two = [end(process) for process in both]
    assert one[1] == two[1] and len(list(tmp_path.glob("merged-*"))) == 1
    assert check_folder(Path(one[1]), "it", tokenizer=True) and kept(one[2]) == kept(two[2]) == [Path(one[1]).name]


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    "A cache for this process, where a folder that is copied stands for the merge."
    monkeypatch.setenv("HFCOURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoints, "_merge", lambda body, adapter, target: shutil.copytree(made, target))
    return tmp_path


def test_a_whole_cache_is_only_read(here, monkeypatch):
    "No lock, no file, no folder: a cache on a disk that cannot be written serves."
    folder = checkpoints.checkpoint("sentiment")
    before = {path: path.stat().st_mtime_ns for path in [here, *here.rglob("*")]}
    monkeypatch.setattr(checkpoints, "_make_locked", lambda *args: pytest.fail("it wrote"))
    time.sleep(0.01)
    assert checkpoints.checkpoint("sentiment") == folder
    assert before == {path: path.stat().st_mtime_ns for path in [here, *here.rglob("*")]}


@pytest.mark.parametrize("lost", ["tokenizer.json", "config.json", "model.safetensors"])
def test_a_file_that_is_lost_is_noticed(lost, here):
    "And the checkpoint is merged anew."
    folder = checkpoints.checkpoint("sentiment")
    (Path(folder) / lost).unlink()
    assert check_folder(Path(checkpoints.checkpoint("sentiment")), "it", tokenizer=True) == folder
    assert kept(path.name for path in here.iterdir()) == [Path(folder).name]


def test_a_setting_asks_for_the_tokenizer_too(tmp_path, monkeypatch):
    "A folder in the place of a short name is held to what is asked of it."
    small("bert")[0].save_pretrained(tmp_path)
    monkeypatch.setenv("HFCOURSE_CHECKPOINT_MINILM", str(tmp_path))
    assert checkpoints.checkpoint("minilm", tokenizer=False) == str(tmp_path)
    with pytest.raises(OSError, match="has no tokenizer"):
        checkpoints.checkpoint("minilm")


def test_what_a_folder_is_made_of_keeps_its_own_remedy(tmp_path, monkeypatch):
    "An `AssetError` is an `OSError` as a full disk's is, but another place helps nothing."
    monkeypatch.setenv("HFCOURSE_CACHE", str(tmp_path))
    for error, remedy in ((AssetError("the body", "is gone.", "Get it."), r"^the body: is gone. Get it.$"),
                          (OSError(28, "No space left on device"), r"^it: it could not be written .*No space left.*Make room there")):
        def make(folder, error=error):
            raise error
        with pytest.raises(AssetError, match=remedy):
            checkpoints.made_once("it", make, Path.exists, sought="it")
    assert kept(path.name for path in tmp_path.iterdir()) == []
