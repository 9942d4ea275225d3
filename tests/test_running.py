"""Kernels: each ends with its lesson, however that ends, and leaves nothing behind."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import outputs
import psutil
import pytest

from hfcourse.ground import running as course

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and guards are POSIX's")
DRIVER = """
import sys
from pathlib import Path
from unittest.mock import patch
from hfcourse import cli
from hfcourse.ground import running as course
with patch.object(course, "folder", return_value=Path(sys.argv.pop(1))):
    cli.main()
"""
NOTE = """
import json, os, pathlib, subprocess
child = subprocess.Popen(["sleep", "300"], start_new_session=True).pid
note = pathlib.Path({note!r})
note.with_suffix(".part").write_text(json.dumps([os.getpid(), os.getppid(), child, os.getcwd()]))
note.with_suffix(".part").replace(note)
"""
IN_C = "import ctypes; ctypes.PyDLL(None).sleep(300)"  # holds the interpreter: no Python runs


@pytest.fixture
def course_of(tmp_path):
    "A folder of toy lessons: for each name the sources of its cells, or a file's bytes."
    def made(**lessons):
        folder = tmp_path / "lessons"
        folder.mkdir()
        for name, sources in lessons.items():
            path = folder / f"{name.strip('_')}.ipynb"
            if isinstance(sources, bytes):
                path.write_bytes(sources)
                continue
            cells = [nbformat.v4.new_code_cell(source) for source in sources]
            nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return folder
    return made


def left(folder):
    "What is in a folder for temporary files, and the processes that were told to use it."
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR", "").startswith(os.fspath(folder)):
                processes.append(process)
        except psutil.Error:
            continue  # another user's, or gone
    return os.listdir(folder) + processes


@pytest.fixture
def hfcourse(call, tmp_path):
    "The real command over a folder of toy lessons; temporary files lie where the test can look."
    (tmp_path / "tmp").mkdir()

    def run(folder, *words, **options):
        env = {"TMPDIR": str(tmp_path / "tmp"), **options.pop("env", {})}
        return call("python", "-c", DRIVER, folder, *words, env=env, **options)
    yield run
    assert left(tmp_path / "tmp") == []


@pytest.fixture
def started(tmp_path):
    "The same in the background."
    (tmp_path / "tmp").mkdir()
    words = [sys.executable, "-c", DRIVER]
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONUTF8": "1"}
    running = []

    def start(folder, *more):
        process = subprocess.Popen(
            [*words, folder, *more], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        running.append(process)
        return process
    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_until(true, what):
    "Wait for something that comes soon; how soon is no matter."
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.05)


def gone(number):
    "Whether a process has ended."
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_never_two_kernels_and_none_left(course_of, hfcourse, tmp_path):
    "Each lesson looks whether a kernel before it, or what that started, is alive; none ever is."
    log = tmp_path / "log"
    look = f"""
import os, pathlib, psutil, subprocess, sys
log = pathlib.Path({os.fspath(log)!r})
before = [int(number) for number in log.read_text().split()] if log.exists() else []
alive = [number for number in before if psutil.pid_exists(number)]
assert not alive, "alive"
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
log.write_text(" ".join(map(str, [*before, os.getpid(), os.getppid(), child.pid])))
"""
    folder = course_of(_01_good=[look], _02_fails=[look, "1 / 0"],
                       _03_slow=[look, "while True: pass"], _04_good=[look])
    done = hfcourse(folder, "run", "--timeout", "2")
    numbers = [int(number) for number in log.read_text().split()]
    assert done.returncode == 1 and "alive" not in done.stdout
    assert len(numbers) == 12 and not any(map(psutil.pid_exists, numbers))
    ends = ["ok", "FAILED at cell 2", "FAILED at cell 2", "ok"]
    assert re.findall(r"ends after \d+ s: (.*)", done.stdout) == ends
    assert done.stdout.endswith("To try again: hfcourse run --only 02_fails,03_slow\n")


@POSIX
@pytest.mark.parametrize(("name", "busy"), [
    ("SIGINT", IN_C), ("SIGTERM", "import time; time.sleep(300)"), ("SIGKILL", IN_C),
    pytest.param("SIGINT", "while True: pass", marks=pytest.mark.slow),
    pytest.param("SIGTERM", IN_C, marks=pytest.mark.slow),
    pytest.param("SIGKILL", "while True: pass", marks=pytest.mark.slow),
])
def test_a_stop_leaves_nothing(name, busy, course_of, started, tmp_path):
    "Ctrl-C, SIGTERM and a kill of the command end kernel, guard, a cell's children, the folder."
    note = tmp_path / "note"
    folder = course_of(_02_b=[NOTE.format(note=os.fspath(note)), busy], _03_c=["3"])
    process = started(folder, "run")
    wait_until(note.exists, "the lesson runs")
    time.sleep(0.3)  # and is inside its long cell
    kernel, guard, child, home = json.loads(note.read_text())
    assert not any(map(gone, (kernel, guard, child))) and Path(home).exists()
    process.send_signal(getattr(signal, name))
    out, errors = process.communicate()
    wait_until(lambda: all(map(gone, (kernel, guard, child))), "kernel, guard and child are gone")
    wait_until(lambda: not Path(home).parent.exists(), "the folder is gone")
    assert errors == "" and "03_c begins" not in out
    if name == "SIGKILL":
        assert process.returncode == -9
        return
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143}[name]
    assert out.endswith("Stopped: 2 lessons have not run to their end. "
                        "To try again: hfcourse run --only 02_b,03_c\n")


@POSIX
def test_ctrl_c_leaves_no_task_waiting(course_of):
    "nbclient's own tasks end too: they would complain of the dead kernel later."
    import asyncio

    from jupyter_core.utils import ensure_event_loop

    def interrupt(*_):
        raise KeyboardInterrupt
    lesson = course._lesson(course_of(_01_a=["import time; time.sleep(300)"]) / "01_a.ipynb")
    others = asyncio.all_tasks(ensure_event_loop())  # a browser of another test may live in this loop
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            course.run(lesson, watch=lambda *_: signal.setitimer(signal.ITIMER_REAL, 0.5))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert asyncio.all_tasks(ensure_event_loop()) <= others


@POSIX
def test_a_kernel_whose_guard_is_killed_ends_too(course_of, hfcourse, tmp_path):
    "The command sees the guard die, and ends the kernel and what is in its group."
    kill = "import os, pathlib, signal, time\n" \
        f"pathlib.Path({os.fspath(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n" \
        "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(300)"
    done = hfcourse(course_of(_01_a=[kill], _02_b=["2"]), "run")
    assert done.returncode == 1 and "FAILED at cell 1" in done.stdout and "02_b ends" in done.stdout
    wait_until(lambda: gone(int((tmp_path / "pid").read_text())), "the kernel is gone")


@POSIX
def test_a_dead_kernel_says_how_it_died(course_of, hfcourse):
    "And the next lesson runs."
    folder = course_of(
        _01_a=["1", "import os; os._exit(3)"],
        _02_b=["import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
        _03_c=["import ctypes; ctypes.string_at(0)"], _04_d=["4"])
    done = hfcourse(folder, "run")
    assert done.returncode == 1 and "04_d ends after" in done.stdout
    assert "01_a, cell 2:" in done.stdout and "a cell ended it with exit code 3" in done.stdout
    assert "happens where memory runs out: close other programs" in done.stdout
    assert "SIGSEGV ended it, a fault outside Python" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@POSIX
def test_what_a_cell_forks_goes_with_its_kernel(course_of, hfcourse):
    "A child that goes on, one that falls out of the cell, one in a session of its own, an orphan."
    apart = "import subprocess; subprocess.Popen(['sleep', '300'], start_new_session=True)"
    orphan = "import os; os.system('setsid sleep 300 > /dev/null 2>&1 &')"
    folder = course_of(_01_a=["import os, time\nif os.fork() == 0: time.sleep(300)", "2"],
                       _02_b=["import os\nos.fork()", "2"], _03_c=[apart, orphan, "2"])
    done = hfcourse(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_time_limit_says_what_to_do(course_of, hfcourse):
    "It names cell and seconds; without the limit, the same command waits (the default has none)."
    sleeps = "import time; time.sleep(2)"
    folder = course_of(_01_a=["1", sleeps], _02_b=[IN_C], _03_c=["3"])
    done = hfcourse(folder, "run", "--timeout", "1")
    assert done.returncode == 1 and "03_c ends after" in done.stdout
    assert f"01_a, cell 2:\n\n{sleeps}\n\nstopped after 1 seconds" in done.stdout
    assert "leave --timeout out to wait, or give more seconds" in done.stdout
    assert done.stdout.endswith("To try again: hfcourse run --only 01_a,02_b\n")  # no --timeout
    assert hfcourse(folder, "run", "--only", "01_a").returncode == 0


@pytest.mark.parametrize("file", [
    b"", b"{", b"[]", b"5", b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"cells": 5}',
    b'{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    b'{"cells": {"a": 1}, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    b'{"cells": [{"cell_type": "code", "source": 5}], "metadata": {}, "nbformat": 4, '
    b'"nbformat_minor": 5}',
    b'{"cells": [], "metadata": [], "nbformat": 4, "nbformat_minor": 5}',
    b'{"cells": [], "metadata": {}, "nbformat": "4", "nbformat_minor": 5}',
    b'{"cells": [], "metadata": {}, "nbformat": 99, "nbformat_minor": 5}',
    b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n",
], ids=lambda file: str(file[:70]))
def test_a_notebook_that_is_none(file, course_of):
    "It becomes an outcome with a sentence, without a kernel, and is listed like the others."
    folder = course_of(_01_a=file)
    lesson = course._lesson(folder / "01_a.ipynb")
    outcome = course.run(lesson)
    assert not outcome.ok and outcome.failed[0] == 0 and outcome.notebook is None
    assert "is no notebook (" in outcome.failed[2] and "install hfcourse again" in outcome.failed[2]


def test_the_others_run_beside_a_notebook_that_is_none(course_of, hfcourse):
    "Broken JSON, a folder and a missing file stand between two good lessons."
    folder = course_of(_01_a=["1"], _02_b=b"{", _05_e=["5"])
    (folder / "03_c.ipynb").mkdir()
    (folder / "04_d.ipynb").symlink_to("nowhere")
    done = hfcourse(folder, "run", "--save", folder.parent / "kept")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "01_a ends" in done.stdout and "05_e ends" in done.stdout
    assert "02_b.ipynb is no notebook (" in done.stdout
    assert "03_c.ipynb cannot be read (IsADirectoryError" in done.stdout
    assert "04_d.ipynb cannot be read (FileNotFoundError" in done.stdout
    assert done.stdout.endswith("To try again: hfcourse run --only 02_b,03_c,04_d\n")
    assert sorted(os.listdir(folder.parent / "kept")) == ["01_a.ipynb", "05_e.ipynb"]


@pytest.mark.parametrize("place", ["/proc", "/proc/ran", "file", "file/ran"])
def test_a_folder_that_cannot_be_written(place, course_of, hfcourse, tmp_path):
    "It is noticed before anything runs."
    (tmp_path / "file").touch()
    done = hfcourse(course_of(_01_a=["1"]), "run", "--save", tmp_path / place)
    assert done.returncode == 2 and "begins" not in done.stdout and "Traceback" not in done.stderr
    assert "cannot be made or written to (" in done.stderr and "give another one" in done.stderr


def test_no_room_for_the_kernels_folder(course_of, monkeypatch):
    "No kernel can start: a sentence, not a traceback."
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    outcome = course.run(course._lesson(course_of(_01_a=["1"]) / "01_a.ipynb"))
    assert outcome.failed[0] == 0 and "no kernel can start (FileNotFoundError" in outcome.failed[2]
    assert "/no/such/folder" in outcome.failed[2]
    assert "TMPDIR" in outcome.failed[2]


@pytest.fixture
def small_disk(tmp_path):
    "What runs a shell's line where $DISK is a disk of 64 kB that nobody else sees."
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=64k none {disk} && "
    apart = ["unshare", "-m", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*apart, mount + "true"]).returncode:
        pytest.skip("a small disk takes root and a namespace of mounts")
    return disk, lambda line: subprocess.run(
        [*apart, mount + line], capture_output=True, text=True, timeout=600)


def test_a_disk_that_fills(small_disk, course_of, tmp_path):
    "The notebook that does not fit is said, no part of it is left, and the next is kept."
    disk, shell = small_disk
    folder = course_of(_01_a=["print('x' * 100_000)"], _02_b=["2"])
    (tmp_path / "driver.py").write_text(DRIVER)
    done = shell(f"{sys.executable} {tmp_path}/driver.py {folder} run --save {disk}/ran; "
                 f"echo code $?; ls -A {disk}/ran")
    assert "01_a: its notebook cannot be kept in" in done.stdout, done.stdout + done.stderr
    assert "No space left on device" in done.stdout and "make room there" in done.stdout
    assert done.stdout.endswith("To try again: hfcourse run --only 01_a\ncode 1\n02_b.ipynb\n")


@pytest.mark.parametrize("free", [4, 8])  # kB; with none, Python takes another folder
def test_no_room_for_temporary_files(free, small_disk, course_of, tmp_path):
    "Each lesson says so; a part of a kernel is not left."
    disk, shell = small_disk
    folder = course_of(_01_a=["1"], _02_b=["2"])
    (tmp_path / "driver.py").write_text(DRIVER)
    fill = f"dd if=/dev/zero of={disk}/full bs=1k count={64 - free} 2>/dev/null; "
    done = shell(f"{fill} TMPDIR={disk} {sys.executable} {tmp_path}/driver.py {folder} run; "
                 f"echo code $?; ls -A {disk}")
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.endswith("code 1\nfull\n"), done.stdout + done.stderr
    assert "02_b: no kernel can start (" in done.stdout and "TMPDIR" in done.stdout
    if free == 4:
        assert "No space left on device" in done.stdout


def test_nothing_of_the_readers_own_comes_in(course_of, hfcourse, tmp_path):
    "Neither another kernel of the same name nor a start-up file of IPython; nothing is written."
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["false"], "display_name": "mine", "language": "python"}))
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "mine.py").write_text("mine = 1")
    (tmp_path / "home").mkdir()
    env = {"JUPYTER_PATH": os.fspath(tmp_path / "jupyter"),
           "IPYTHONDIR": os.fspath(tmp_path / "ipython"), "HOME": os.fspath(tmp_path / "home")}
    done = hfcourse(course_of(_01_a=["assert 'mine' not in globals()"]), "run", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


@POSIX
def test_a_terminal_shows_a_bar(course_of, tmp_path):
    "A pseudo-terminal gets the bar and no lines."
    import pty
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", DRIVER, course_of(_01_a=["1"]), "run"],
                               stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # Linux's way to say that the terminal is closed
        pass
    os.close(ours)
    assert process.wait() == 0 and b"lessons" in seen and b"begins" not in seen


def test_the_sites_run_leaves_no_half_file(course_of, tmp_path):
    "A kept notebook that is broken is made again; a lesson that is no notebook is named."
    folder = course_of(_01_a=["1"])
    lesson, kept = course._lesson(folder / "01_a.ipynb"), tmp_path / "kept"
    kept.mkdir()
    (kept / "01_a.ipynb").write_text('{"cells": [')
    assert outputs.executed(lesson, folder=kept).metadata.run.ran == 1
    assert nbformat.read(kept / "01_a.ipynb", 4).metadata.run.ran == 1
    assert {path.suffix for path in kept.iterdir() if path.is_file()} <= {".ipynb", "", ".lock"}
    (folder / "01_a.ipynb").write_text("{")
    with pytest.raises(outputs.PageError, match="01_a is no notebook"):
        outputs.executed(lesson, folder=kept)
