"""A release's sdist and wheel: built from what is under version control, checked, always the same.

    python .ci/dist.py [--out dist] [--tag v0.1.0]

On a tag, which CI names in the environment or you with `--tag`, the version, the release notes and
CITATION.cff must agree with it.
"""
import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[1]
BESIDE = {
    "CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "constraints.txt",
    "pyproject.toml", "settings.ini", "setup.py",
}


def settings() -> dict[str, str]:
    "What settings.ini says."
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(config["DEFAULT"])


def check_tag(
    tag: str,       # such as `v0.1.0`
    version: str,   # in settings.ini
    notes: str,     # the text of CHANGELOG.md
    citation: str,  # the text of CITATION.cff
) -> None:
    "A tag, the version, the release notes and the citation name one release, or `ValueError`."
    if tag != f"v{version}":
        remedy = f"tag v{version}, or set the version in settings.ini and run make export"
        raise ValueError(f"the tag is {tag} and the version is {version}: {remedy}.")
    heading = re.search(rf"^## {re.escape(version)}\b(.*)$", notes, re.M)
    if heading is None or "unreleased" in heading[1]:
        remedy = f"write '## {version}, YYYY-MM-DD'"
        raise ValueError(f"CHANGELOG.md has no date for {version}: {remedy}.")
    if re.search(rf'^version: "?{re.escape(version)}"?$', citation, re.M) is None:
        raise ValueError(f"CITATION.cff names another version: write 'version: {version}'.")


def git(*words: str) -> str:
    "What a git command prints."
    command = ["git", "-C", ROOT, *words]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def tracked() -> list[str]:
    "The files under version control, as they lie here."
    names = [name for name in git("ls-files", "-z").split("\0") if name]
    return sorted(name for name in names if (ROOT / name).is_file())


def moment() -> int:
    "The time that each file bears: the last commit's, or what SOURCE_DATE_EPOCH says."
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def copy(names: list[str], home: Path) -> Path:
    "The named files in a folder of their own, with plain rights: whoever builds, builds the same."
    for name in names:
        target = home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(0o644)
    return home


def build(kind: str, source: Path, out: Path, epoch: int) -> Path:
    "Build `sdist` or `wheel` from a folder."
    words = [f"--{kind}", "--no-isolation", "--outdir", out, source]
    command = [sys.executable, "-m", "build", *words]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=env)
    if done.returncode:
        raise ValueError(f"the {kind} cannot be built:\n{done.stdout}{done.stderr}")
    made, = out.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])
    return made


def level(sdist: Path, epoch: int) -> None:
    "Pack an sdist anew, without what differs from build to build: times, owners, rights."
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid, member.uname, member.gname = 0, 0, "", ""
        member.mtime, member.mode = epoch, 0o755 if member.isdir() else 0o644
        return member

    with tempfile.TemporaryDirectory() as home:
        top = unpack(sdist, Path(home))
        with (
            sdist.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
            tarfile.open(fileobj=packed, mode="w") as new,
        ):
            new.add(top, arcname=top.name, filter=plain)  # a folder's files go in by name


def unpack(sdist: Path, home: Path) -> Path:
    "The one folder that an sdist holds, unpacked."
    with tarfile.open(sdist) as packed:
        packed.extractall(home, filter="data")
    top, = home.iterdir()
    return top


def difference(what: str, held: set[str], due: set[str]) -> list[str]:
    "What a file holds and should not, and the other way round, as sentences."
    lacking = [f"{what} lacks {name}: see package_data in setup.py." for name in sorted(due - held)]
    return lacking + [f"{what} holds {name}: see MANIFEST.in." for name in sorted(held - due)]


def check_contents(wheel: Path, sdist: Path, names: list[str]) -> None:
    "Package, data and lessons are there, and nothing else is; `ValueError` says what is amiss."
    package = {name for name in names if name.startswith("hfcourse/")}
    lessons = {f"hfcourse/notebooks/{Path(name).name}" for name in names
               if re.fullmatch(r"nbs/(\d\d_\w+|index)\.ipynb", name)}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    faults = difference("the wheel", held, package | lessons)
    with tarfile.open(sdist) as packed:
        files = [member.name.split("/", 1)[1] for member in packed.getmembers() if member.isfile()]
    made = {name for name in files if name.startswith("hfcourse.egg-info/")}
    made |= {"PKG-INFO", "setup.cfg"}
    notebooks = {name for name in names if name.startswith("nbs/") and name.endswith(".ipynb")}
    faults += difference("the sdist", set(files) - made, package | notebooks | BESIDE)
    if faults:
        raise ValueError("\n".join(faults))


def check_description(files: list[Path]) -> None:
    "What a package index refuses is refused here."
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise ValueError(f"twine is not content:\n{done.stdout}{done.stderr}")


def make(out: Path, tag: str | None) -> list[Path]:
    "Build and check both files, and lay them in a folder."
    version = settings()["version"]
    if tag:
        notes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
        check_tag(tag, version, notes, citation)
    os.umask(0o022)
    names, epoch = tracked(), moment()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = copy(names, home / "source")
        sdist = build("sdist", source, home / "sdist", epoch)
        level(sdist, epoch)
        wheel = build("wheel", source, home / "wheel", epoch)
        again = build("wheel", unpack(sdist, home / "unpacked"), home / "again", epoch)
        if wheel.read_bytes() != again.read_bytes():
            raise ValueError("the sdist gives another wheel than the checkout: see MANIFEST.in.")
        check_contents(wheel, sdist, names)
        check_description([sdist, wheel])
        out.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copy(path, out)) for path in (sdist, wheel)]


def main() -> None:
    "Build, check, and say what was made and its fingerprint."
    on_tag = os.environ.get("GITHUB_REF_TYPE") == "tag"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="a folder")
    parser.add_argument("--tag", default=os.environ.get("GITHUB_REF_NAME") if on_tag else None,
                        help="the release's tag, such as v0.1.0")
    words = parser.parse_args()
    try:
        made = make(words.out, words.tag)
    except ValueError as error:
        sys.exit(str(error))
    for path in made:
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)


if __name__ == "__main__":
    main()
