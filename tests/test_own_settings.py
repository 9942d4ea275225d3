"""The lessons with a reader's own checkpoint and data in place of the course's: to the end, each cell."""
import json
import os

import outputs
import pytest

from hfcourse.assets import quiet
from hfcourse.ground import running
from hfcourse.ground.small import small_model

SENTIMENT, OTHERS = ["01_pipeline", "03_padding"], ["08_mapping", "09_collation", "10_training", "11_evaluation"]
#: What becomes two sentences of one meaning, or of another.
SAME, OTHER = "The {} cat sat on the mat number {}.", "Nobody saw the {} dog at house {}."


def checkpoint_in(folder, task):
    "A small random model and its tokenizer, saved, with more positions than its reader needs."
    model, tokenizer = small_model("bert", task, max_position_embeddings=512)
    tokenizer.model_max_length = 512
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


def pairs_in(folder):
    "Pairs of a reader's own, in the splits and columns that the lessons read, with no `kind`."
    folder.mkdir()
    for split, many in (("train", 800), ("validation", 240), ("test", 120)):
        rows = []
        for i in range(many):
            first = SAME.format("old", f"{split} {i}")
            second = (SAME.format("aged", f"{split} {i}"), OTHER.format("old", i))[i % 2]
            rows.append({"sentence1": first, "sentence2": second, "label": 1 - i % 2})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SENTIMENT, *OTHERS])
def test_a_lesson_runs_on_a_readers_own(name, tmp_path, monkeypatch):
    "What is asserted of the course's own numbers is left out, and everything else holds."
    for setting in [one for one in os.environ if one.startswith(("HFCOURSE_DATA", "HFCOURSE_CHECKPOINT"))]:
        monkeypatch.delenv(setting)
    if name in SENTIMENT:
        monkeypatch.setenv("HFCOURSE_CHECKPOINT_SENTIMENT", checkpoint_in(tmp_path / "own", "text-classification"))
    else:
        monkeypatch.setenv("HFCOURSE_CHECKPOINT_MINILM", checkpoint_in(tmp_path / "own", "feature-extraction"))
        monkeypatch.setenv("HFCOURSE_DATA_PAIRS", pairs_in(tmp_path / "pairs"))
    lesson = next(one for one in running.lessons() if one.name == name)
    assert outputs.executed(lesson, folder=tmp_path / "kept", afresh=True).metadata.run.failed is None
