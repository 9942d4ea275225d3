"""What ships keeps what its cards promise."""
import json


def test_the_pairs_hold_their_promises(call, root):
    "No text twice, balanced labels, and neither word overlap nor cosine decides: the script that the card names says so."
    done = call("python", "recipes/pairs.py", "check", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr


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
