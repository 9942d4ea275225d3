"""The command line, as a user meets it."""
import pytest


@pytest.fixture
def hfcourse(call):
    "Run `hfcourse` with some words."
    return lambda *words: call("python", "-c", "from hfcourse.cli import main; main()", *words)


@pytest.mark.parametrize("command", ["run", "doctor", "lab", "download"])
def test_help_shows_an_example(command, hfcourse):
    "Each command explains itself by an example."
    done = hfcourse(command, "--help")
    assert done.returncode == 0 and f"hfcourse {command}" in done.stdout and "Example" in done.stdout


@pytest.mark.parametrize("words", [("run", "--only", "no-such"), ("run", "--only", ","), ("run", "--only", "\udcff"), ("run", "--nonsense"),
                                   ("fly",), ("download", "x" * 1000), ("lab", "settings.ini/inside", "--no-start"), ("doctor", "extra")])
def test_wrong_words_get_a_sentence(words, hfcourse):
    "Whatever is wrong is said in a sentence, with exit code 2 and no traceback."
    done = hfcourse(*words)
    assert done.returncode == 2 and done.stderr.strip() and "Traceback" not in done.stderr + done.stdout


def test_importing_the_package_loads_nothing_heavy(call):
    "`import hfcourse` is immediate because it loads no library."
    code = "import sys, hfcourse; print(sorted({'torch', 'transformers', 'datasets', 'numpy', 'evaluate'} & set(sys.modules)))"
    assert call("python", "-c", code).stdout.strip() == "[]"
