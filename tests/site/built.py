"""What the site consists of, and the browser that looks at it."""
import os
import shutil

from paths import ROOT

SITE = ROOT / "_build" / "site"
CHROMIUM = os.environ.get("HFCOURSE_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LESSONS = sorted(path.stem for path in (ROOT / "nbs").glob("[0-9]*.ipynb"))
MODULES = sorted(path.stem for path in (ROOT / "hfcourse").glob("*.py") if not path.stem.startswith("_"))
PAGES = ["index", *LESSONS, "reference/index", *(f"reference/{name}" for name in MODULES), "then-and-now", "glossary", "teachers",
         "releases", "search", "genindex"]
SOURCES = ["_modules/index", *(f"_modules/hfcourse/{name}" for name in MODULES)]
