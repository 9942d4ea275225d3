"""What ships keeps what its cards promise."""
import json
import shutil

import pytest


def test_the_pairs_are_those_that_were_measured(call, root):
    "No text twice, balanced labels; and neither word overlap nor cosine decided these very rows."
    done = call("python", "recipes/pairs.py", "stamp", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_row_is_noticed(root, tmp_path, monkeypatch):
    "The stamp knows each split, and the code that judged it."
    monkeypatch.syspath_prepend(root / "recipes")
    import pairs
    stamped = json.loads(pairs.STAMP.read_text(encoding="utf-8"))
    assert stamped["inputs"] == pairs.read_by_check()
    shutil.copytree(pairs.SHIPPED, tmp_path / "pairs")
    with (tmp_path / "pairs" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    monkeypatch.setattr(pairs, "SHIPPED", tmp_path / "pairs")
    changed = pairs.read_by_check()
    assert {name for name in changed if changed[name] != stamped["inputs"][name]} == {"train.jsonl"}


@pytest.mark.slow
def test_the_pairs_hold_their_promises(call, root):
    "The baselines themselves, computed anew, give what the stamp says."
    before = (root / "recipes" / "pairs_check.json").read_text(encoding="utf-8")
    done = call("python", "recipes/pairs.py", "check", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    after = (root / "recipes" / "pairs_check.json").read_text(encoding="utf-8")
    for name, shares in json.loads(before)["figures"].items():
        assert shares == pytest.approx(json.loads(after)["figures"][name], abs=0.005)


def test_the_adapter_is_small_and_its_card_states_what_was_measured(root):
    "Under 1 MB, and at least 0.885 in the figures that the card was written from."
    home = root / "hfcourse" / "shipped"
    assert (home / "sentiment" / "adapter_model.safetensors").stat().st_size < 1_000_000
    found = json.loads((home / "measured" / "sentiment.json").read_text(encoding="utf-8"))
    assert found["accuracy"] >= 0.885 and f"{found['accuracy']:.4f}" in (home / "sentiment" / "README.md").read_text(encoding="utf-8")


def test_the_pair_model_was_above_each_baseline(root):
    "The figures that the README shows: the pair model's mean above each baseline, and its interval above 0."
    rows = json.loads((root / "hfcourse" / "shipped" / "measured" / "pairs.json").read_text(encoding="utf-8"))["table"]
    *baselines, model = rows
    assert all(model["accuracy"] > row["accuracy"] for row in baselines) and model["interval"].startswith("+")
