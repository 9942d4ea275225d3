"""A small Hub on 127.0.0.1: the download routes of huggingface_hub 2, over folders, with faults on demand."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/((?:models|datasets)/[^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(?:/(.+))?)?")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_MAIN = "0123456789" * 4  # the commit of every branch

Fault = int | str | Path  # a status, "cut" (half of the bytes promised), "silent" (no answer), or a file to give instead


class Hub(ThreadingHTTPServer):
    "The server: the folder of each repository, what goes wrong, and what was asked."

    daemon_threads = True

    def __init__(self, repos: dict[str, Path], faults: dict[str, Fault]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos = repos          # "models/owner/name" or "datasets/owner/name" to a folder
        self.faults = dict(faults)  # a file's name, or "api", to what goes wrong with it
        self.asked: list[str] = []  # "GET /owner/name/resolve/..."
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def files(self, repo: str) -> dict[str, Path]:
        "The files of a repository, by their names."
        folder = self.repos[repo]
        return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def serving(repos: dict[str, Path], faults: dict[str, Fault] | None = None) -> Iterator[Hub]:
    "A Hub that answers until the block ends."
    with Hub(repos, faults or {}) as hub:
        threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield hub
        finally:
            hub.over.set()  # ends the silence of a request that waits
            hub.shutdown()


class _Handler(BaseHTTPRequestHandler):
    "One connection."

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args) -> None:
        "Keep quiet."

    def do_GET(self) -> None:
        "Give a file, answer the API, or end all faults (`/heal`)."
        path = unquote(urlsplit(self.path).path)
        if path == "/heal":
            self.server.faults.clear()
            self._reply(200, b"{}")
        elif match := _FILE.fullmatch(path):
            self._asked(path)
            self._file(("datasets/" if match[1] else "models/") + match[2], match[3], match[4])
        elif match := _API.fullmatch(path):
            self._asked(path)
            self._api(*match.groups())
        else:
            self._reply(404)

    do_HEAD = do_GET

    def _asked(self, path: str) -> None:
        self.server.asked.append(f"{self.command} {path}")

    def _api(self, repo: str, route: str | None, revision: str | None, under: str | None) -> None:
        "What a repository is (`revision`), or its files and folders (`tree`)."
        if self._fails("api"):
            return
        if repo not in self.server.repos:
            self._reply(404, code="RepoNotFound")
            return
        files = self.server.files(repo)
        value: object = {"id": repo.split("/", 1)[1], "sha": _commit(revision), "siblings": [{"rfilename": name} for name in files]}
        if route == "tree":
            folders = {parent.as_posix() for name in files for parent in Path(name).parents[:-1]}
            rows = [{"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(repo, name)} for name, path in files.items()]
            rows += [{"type": "directory", "path": name, "oid": _etag(repo, name)} for name in sorted(folders)]
            deep = "recursive=true" in self.path
            value = [row for row in rows if deep or Path(str(row["path"])).parent == Path(under or "")]
        self._reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, repo: str, revision: str, name: str) -> None:
        "A file, from where the client's Range begins."
        if self._fails(name):
            return
        if repo not in self.server.repos or name not in self.server.files(repo):
            self._reply(404, code="EntryNotFound" if repo in self.server.repos else "RepoNotFound")
            return
        fault = self.server.faults.get(name)
        content = (fault if isinstance(fault, Path) else self.server.files(repo)[name]).read_bytes()
        begin = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fields = {"ETag": f'"{_etag(repo, name)}"', "X-Repo-Commit": _commit(revision)}
        if begin:
            fields["Content-Range"] = f"bytes {begin[1]}-{len(content) - 1}/{len(content)}"
        self._reply(206 if begin else 200, content[int(begin[1]) if begin else 0:], fields, cut=len(content) // 2 if fault == "cut" else 0)

    def _fails(self, name: str) -> bool:
        "Whether a status is to be given in place of an answer, or nothing at all; it is done here."
        fault = self.server.faults.get(name)
        if isinstance(fault, int):
            self._reply(fault, code="EntryNotFound" if fault == 404 else "")
        elif fault == "silent":
            self.server.over.wait(60)
            self.close_connection = True
        return isinstance(fault, int) or fault == "silent"

    def _reply(self, status: int, content: bytes = b"", fields: dict[str, str] | None = None, *, code: str = "", cut: int = 0) -> None:
        "Send a status, its header and its body, of which the last `cut` bytes are promised and never come."
        self.send_response(status)
        for name, value in {**(fields or {}), "X-Error-Code": code, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:len(content) - cut] if cut < len(content) else b"")
        self.close_connection = self.close_connection or cut > 0


def _etag(repo: str, name: str) -> str:
    "A name for a file's content that stays the same when another file is given instead."
    return sha256(f"{repo}/{name}".encode()).hexdigest()


def _commit(revision: str | None) -> str:
    return revision if revision and re.fullmatch("[0-9a-f]{40}", revision) else _MAIN
