"""The lessons with the network really cut off."""
import os
import shutil
import subprocess
import sys

import pytest

REFUSE = """
import socket
def refused(*words, **named):
    raise OSError("there is no network in this test")
class Closed(socket.socket):
    def connect(self, address):
        local = self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1")
        return super().connect(address) if local else refused()
    connect_ex = connect
socket.socket, socket.getaddrinfo, socket.create_connection = Closed, refused, refused
"""


def cut_off(tmp_path) -> tuple[list[str], dict[str, str]]:
    "Words before a command, and its environment, that take the network away: a namespace without interfaces, else refused sockets."
    env = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HFCOURSE_CACHE": str(tmp_path / "cache")}
    space = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run([*space, "true"], capture_output=True).returncode == 0:
        return space, env
    (tmp_path / "sitecustomize.py").write_text(REFUSE)
    return [], {**env, "PYTHONPATH": str(tmp_path)}


def test_the_cut_is_real(tmp_path):
    "Inside, no address outside this machine can be reached."
    before, env = cut_off(tmp_path)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([*before, sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8")
    assert done.returncode != 0 and "OSError" in done.stderr + "OSError" * ("unreachable" in done.stderr)


@pytest.mark.parametrize("words", [("run",), ("doctor",)], ids=lambda words: words[0])
def test_the_course_needs_no_network(words, tmp_path):
    "All lessons run, and the doctor is content, with no network, no cache and no account."
    before, env = cut_off(tmp_path)
    code = "from hfcourse.cli import main; main()"
    command = [*before, sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
