"""The command with the network really cut off. All lessons run so too: test_cells.py looks at that run."""
import subprocess
import sys

import pytest
from outputs import cut_off


def test_the_cut_is_real(tmp_path):
    "Inside, no address outside this machine can be reached."
    before, env = cut_off(tmp_path)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([*before, sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8")
    assert done.returncode != 0 and "OSError" in done.stderr + "OSError" * ("unreachable" in done.stderr)


@pytest.mark.parametrize("words", [("run", "--only", "02"), ("doctor",)], ids=lambda words: words[0])
def test_the_command_needs_no_network(words, tmp_path):
    "A lesson runs, and the doctor is content, with no network, no cache and no account."
    before, env = cut_off(tmp_path)
    code = "from hfcourse.cli import main; main()"
    command = [*before, sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
