"""Where things are, for every test."""
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "_build" / "cells.json"
