"""The README's script, run as it stands there."""
import json
import re

import pytest


@pytest.fixture(scope="module")
def stated(root):
    "The figures that the README shows."
    return json.loads((root / "hfcourse" / "shipped" / "measured" / "training_pairs.json").read_text(encoding="utf-8"))["test"]


def test_the_script_gives_what_the_readme_states(root, call, tmp_path, stated):
    "On another processor a training rounds otherwise, so to three hundredths; and above the cosine."
    script, = re.findall(r"```python\n(import os\n.*?)```", (root / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = call("python", "script.py", cwd=tmp_path, env={"HFCOURSE_DATA_MRPC": ""})
    assert done.returncode == 0, done.stderr[-3000:]
    accuracy, = re.findall(r"test\s+accuracy\s+(0\.\d+)", done.stdout)
    assert float(accuracy) == pytest.approx(stated["accuracy"], abs=0.03) and float(accuracy) > stated["cosine"]


def test_the_readme_shows_what_was_measured(root, stated):
    "The interval above the cosine, and the MRPC figures of the script, met what was asked of them."
    readme = (root / "README.md").read_text(encoding="utf-8")
    mrpc = json.loads((root / "hfcourse" / "shipped" / "measured" / "training_mrpc.json").read_text(encoding="utf-8"))["quality"]
    assert stated["low"] > 0 and f"+{stated['low']:.3f} to +{stated['high']:.3f}" in readme
    for run in mrpc.values():
        assert f"{run['accuracy']:.3f}" in readme and f"{run['f1']:.3f}" in readme
    assert mrpc["recipe"]["accuracy"] >= 0.81 and mrpc["recipe"]["f1"] >= 0.86 and mrpc["recipe"]["ratio"] >= 2.5
    assert len(mrpc["recipe"]["runs"]) == len(mrpc["plain"]["runs"]) == 3 and mrpc["recipe"]["gain"][1] > 0  # not worse than plain
