"""Build hfcourse: the metadata comes from settings.ini, the lessons travel inside the wheel."""
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]


class BuildWithLessons(build_py):
    "Copy the notebooks into the built package, so that `hfcourse run` and `hfcourse lab` work without a checkout."

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return  # an editable install reads the checkout's own nbs/
        for notebook in sorted((ROOT / "nbs").glob("*.ipynb")):
            target = Path(self.build_lib) / "hfcourse" / "notebooks" / notebook.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebook, target)


extras = {name: settings[f"{name}_requirements"].split() for name in ("offline", "lab", "dev", "docs")}
extras["docs"] = [f"{requirement}; python_version >= '3.11'" for requirement in extras["docs"]]  # what Sphinx 9 asks for

setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=(ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author=settings["author"],
    url=settings["git_url"],
    keywords=settings["keywords"].split(),
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Education",
        "Natural Language :: English",
        "Programming Language :: Python :: 3",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["hfcourse", "hfcourse.*"]),
    package_data={"hfcourse": ["py.typed", "shipped/**/*"]},
    python_requires=f">={settings['min_python']}",
    install_requires=settings["requirements"].split(),
    extras_require=extras,
    entry_points={"console_scripts": settings["console_scripts"].split()},
    cmdclass={"build_py": BuildWithLessons},
    zip_safe=False,
)
