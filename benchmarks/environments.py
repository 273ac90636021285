"""Packages that can be installed beside this one, by the metadata of their newest versions.

Run ``python benchmarks/environments.py [REVISION]`` with the program ``uv`` on the path. For each
package, `uv pip compile` looks for versions that satisfy the newest version of the package and the
dependencies of this project, including the extra ``mlflow``. Nothing is installed. With
REVISION, the dependencies in this git revision are resolved too. Prints a Markdown table.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "sktime",
    "aeon",
    "autogluon.tabular",
    "pycaret",
    "gradio",
    "moviepy",
    "numba",
    "tensorflow",
    "ultralytics",
    "opencv-python",
    "torchvision",
    "transformers",
)
SHARED = ("mlflow", "numpy", "pandas", "pillow", "scikit-learn")


def resolve(requirement: str, *project: str) -> subprocess.CompletedProcess[str]:
    """Resolve a requirement and the dependencies of a project for Python 3.11."""
    command = ["uv", "pip", "compile", "--python-version=3.11", "--no-header", "--no-annotate"]
    return subprocess.run(
        [*command, *project, "-"], input=requirement, capture_output=True, text=True
    )


def versions(resolution: str) -> dict[str, str]:
    """Parse the lines ``name==version``."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", resolution, re.MULTILINE))


def outcome(requirement: str, pyproject: Path) -> tuple[str, str]:
    """Resolve a requirement beside a project: yes or no, and the shared versions or the reason."""
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    project = [str(pyproject), *(["--extra=mlflow"] if "mlflow" in extras else [])]
    done = resolve(requirement, *project)
    if done.returncode == 0:
        found = versions(done.stdout)
        return "yes", ", ".join(f"{name} {found[name]}" for name in SHARED)
    name = requirement.partition("==")[0]
    reason = re.search(rf"{name}\S* depends on (\S+)", " ".join(done.stderr.split()))
    return "no", f"requires {reason[1]}" if reason else done.stderr.strip()


def main(revision: str = "") -> None:
    """Resolve and print."""
    with tempfile.TemporaryDirectory() as folder:
        projects = {"now": ROOT / "pyproject.toml"}
        if revision:
            show = ["git", "-C", str(ROOT), "show", f"{revision}:pyproject.toml"]
            old = Path(folder) / "pyproject.toml"
            old.write_bytes(subprocess.run(show, check=True, capture_output=True).stdout)
            projects = {revision: old, **projects}
        last = "versions, or the requirement of the package"
        print(f"| package | {' | '.join(projects)} | {last} |")
        print("|---" * (len(projects) + 2) + "|")
        for package in PACKAGES:
            name = package.replace(".", "-")
            newest = versions(resolve(package).stdout)[name]
            outcomes = [outcome(f"{name}=={newest}", file) for file in projects.values()]
            before = [
                answer if answer == "yes" else f"{answer}, {reason}"
                for answer, reason in outcomes[:-1]
            ]
            print("|", " | ".join([f"{package} {newest}", *before, *outcomes[-1]]), "|")


if __name__ == "__main__":
    main(*sys.argv[1:])
