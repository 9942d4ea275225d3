"""Build hfcourse: the metadata comes from settings.ini, the lessons travel inside the wheel."""
import re
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]
files = f"{settings['git_url']}/blob/{settings['branch']}"


class BuildWithLessons(build_py):
    "Copy the notebooks into the package, so that `hfcourse run` and `lab` need no checkout."

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return  # an editable install reads the checkout's own nbs/
        lessons = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
        for notebook in [*lessons, ROOT / "nbs" / "index.ipynb"]:
            target = Path(self.build_lib) / "hfcourse" / "notebooks" / notebook.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebook, target)


def long_description() -> str:
    "The README; its links to files of the repository lead there from anywhere."
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!\w+:|#)([^)\s]+)\)", rf"]({files}/\1)", text)


def requirements(name: str) -> list[str]:
    "The requirements that settings.ini lists under a name."
    return settings[name].split()


course, offline = requirements("course_requirements"), requirements("offline_requirements")
docs = [f"{line}; python_version >= '3.11'" for line in requirements("docs_requirements")]

setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author=settings["author"],
    url=settings["git_url"],
    project_urls={
        "Documentation": settings["doc_host"] + settings["doc_baseurl"],
        "Source": settings["git_url"],
        "Issues": f"{settings['git_url']}/issues",
        "Changelog": f"{files}/CHANGELOG.md",
    },
    keywords=settings["keywords"].split(),
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Jupyter",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Natural Language :: English",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Education",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["hfcourse", "hfcourse.*"]),
    package_data={"hfcourse": ["py.typed", "shipped/**/*"]},
    python_requires=f">={settings['min_python']}",
    install_requires=requirements("requirements"),
    extras_require={
        "course": course,
        "offline": offline,
        "lab": course + offline + requirements("lab_requirements"),
        "dev": requirements("dev_requirements"),
        "docs": docs,
    },
    entry_points={"console_scripts": settings["console_scripts"].split()},
    cmdclass={"build_py": BuildWithLessons},
    zip_safe=False,
)
