"""Every Python and shell block in README.md and docs/ runs."""

import ast
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from annotation_exports import SEGMENTS, write_exports

import skvideo_gru
from skvideo_gru import (
    GRUClassifier,
    ResNet50FrameFeaturizer,
    cli,
    load_video_manifest,
    make_order_videos,
)
from skvideo_gru.cli.parser import parse_arguments

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

# Defaults that make a fit take seconds. Parameters that a block sets explicitly are unchanged.
CHEAP = {
    ResNet50FrameFeaturizer: {"n_frames": 4, "frame_size": 32, "max_epochs": 0},
    GRUClassifier: {"max_epochs": 2},
}
CHEAP_OPTIONS = ["--frame-size=32", "--n-frames=3", "--backbone-epochs=0", "--epochs=1"]
CHEAP_SEARCH = ["--cv=2", "--hidden-size=4,8", "--lr-decay=0.9"]

# Fences that are not code.
NOT_CODE = {"{image}", "{toctree}", "{eval-rst}", "{include}", "{literalinclude}"}

# Commands of `skvideo-gru` that the tests run.
RUN = {"check", "train", "tune", "evaluate", "predict", "timeline", "cache"}

# Commands that the tests do not run, with the reason. Arguments of `skvideo-gru` are still parsed.
NOT_RUN = {
    "python -m pip install": "installs packages; .ci/run runs it",
    "torchrun": "starts processes; tests/networks/test_processes.py does it",
    "python -m pytest": "is the current process",
    "mlflow run": "trains in a separate process; its entry point is checked",
    "export SKVIDEO_GRU_FOLDERS=": "configures the server",
    "mlflow models serve": "does not terminate; examples/serving.py runs it",
    "curl --json": "needs the server; examples/serving.py sends the same request",
}


def blocks(document):
    """Fenced blocks as (line of the fence, language, text)."""
    found, fence = [], None
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        match = re.match(r"\s*(```+|~~~+|:::+)\s*(\S*)", line)
        if fence is None and match:
            fence, language, start, text = match[1], match[2], number, []
        elif fence is not None and line.strip() == fence:
            found.append((start, language, "\n".join(text) + "\n"))
            fence = None
        elif fence is not None:
            text.append(line)
    assert fence is None, f"{document}: the fence in line {start} is not closed"
    return found


def set_cheap_defaults(monkeypatch):
    """Replace the default parameters by `CHEAP`."""
    for estimator, values in CHEAP.items():
        init = estimator.__init__
        names = init.__code__.co_varnames[1 : 1 + len(init.__defaults__)]
        monkeypatch.setattr(
            init,
            "__defaults__",
            tuple(values.get(n, v) for n, v in zip(names, init.__defaults__, strict=True)),
        )
        for name in set(values) - set(names):
            monkeypatch.setitem(init.__kwdefaults__, name, values[name])
        instance = estimator()
        assert {name: getattr(instance, name) for name in values} == values


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_store):
    """The folders of clips and the manifest that the documents use."""
    folder = tmp_path_factory.mktemp("documents")
    make_store(folder)
    data = make_order_videos(folder / "clips", n_per_class=8, frame_size=32, random_state=0)
    make_order_videos(folder / "made", n_per_class=4, frame_size=32, random_state=1)
    make_order_videos(folder / "later", n_per_class=4, frame_size=32, random_state=2)
    (folder / "made" / data.target_names[0]).rename(folder / "new")
    (folder / "day.mp4").symlink_to(data.data[0])
    rows = ["path,label,group"]
    for number, (name, label) in enumerate(zip(data.filenames, data.target, strict=True)):
        rows.append(f"clips/{name},{label},camera-{number % 4}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def work(clips, tmp_path, monkeypatch):
    """A working directory with those clips, and an MLflow store shared by all documents."""
    for name in ("clips", "later", "new", "manifest.csv", "day.mp4"):
        (tmp_path / name).symlink_to(clips / name)
    (tmp_path / "new.mp4").symlink_to(clips / "day.mp4")
    write_exports(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{clips}/mlflow.db")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_has_a_tested_language(document):
    for line, language, _ in blocks(document):
        assert language in {"python", "sh"} | NOT_CODE, f"{document.name}:{line}: {language!r}"


@pytest.mark.parametrize(
    "document",
    [d for d in DOCUMENTS if any(language == "python" for _, language, _ in blocks(d))],
    ids=lambda path: path.name,
)
def test_python_blocks_run(document, work, monkeypatch):
    """Run the blocks of a document in order, in one namespace."""
    set_cheap_defaults(monkeypatch)
    names = {"__name__": "__main__"}
    for line, language, text in blocks(document):
        if language == "python":
            tree = ast.parse(text, document.name)
            ast.increment_lineno(tree, line)
            exec(compile(tree, document.name, "exec"), names)


@pytest.mark.parametrize("export", ["via.csv", "label-studio.json", "annotations.xml"])
def test_exports_of_annotation_tools_become_manifests(export, work):
    (recipe,) = [
        text
        for _, language, text in blocks(ROOT / "docs" / "guide.md")
        if language == "python" and f'"{export}"' in text
    ]
    exec(recipe.replace("rate = 25", "rate = 12"), {})
    data = load_video_manifest("segments.csv")
    rows = zip(data.filenames, data.target, data.data, strict=True)
    assert [(name, label, clip.start, clip.end) for name, label, clip in rows] == SEGMENTS


def commands(document):
    """Commands of the shell blocks as (line, words), split at &&."""
    found = []
    for start, language, text in blocks(document):
        if language != "sh":
            continue
        for number, line in enumerate(text.splitlines(), start=start + 1):
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                found.append((number, words[:end]))
                words = words[end + 1 :]
    return found


def check_mlflow_run(words):
    """Check `mlflow run` against the entry points, and their commands against the parser."""
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    options = mlflow_options(words)
    entry = project["entry_points"][options.pop("-e", "main")]
    needed = {name for name, spec in entry["parameters"].items() if "default" not in spec}
    given = options.pop("-P", {})
    assert options == {"--env-manager": "local"}
    assert needed <= set(given) <= set(entry["parameters"])
    values = {name: spec.get("default") for name, spec in entry["parameters"].items()} | given
    command = entry["command"].split()
    arguments = [str(values[w[1:-1]]) if w.startswith("{") else w for w in command[3:]]
    parse_arguments(arguments)


def mlflow_options(words):
    assert words[:3] == ["mlflow", "run", "."]
    options = {}
    for name, value in zip(words[3::2], words[4::2], strict=True):
        if name == "-P":
            key, text = value.split("=", 1)
            options.setdefault("-P", {})[key] = text
        else:
            options[name] = value
    return options


def run_own_command(words, work):
    """Run a `skvideo-gru` command with cheap options."""
    words = [w for word in words for w in expanded(word, work)]
    args = parse_arguments(words)
    cheap = [
        option
        for names, options in ((("train", "tune"), CHEAP_OPTIONS), (("tune",), CHEAP_SEARCH))
        for option in options
        if args.name in names and option.split("=")[0] not in words
    ]
    cheap += ["--min-accuracy=0"] * ("--min-accuracy" in words)
    assert cli.main([*words, *cheap]) == 0


def expanded(word, work):
    return sorted(str(path) for path in work.glob(word)) if "*" in word else [word]


@pytest.mark.parametrize(
    "document",
    [d for d in DOCUMENTS if any(language == "sh" for _, language, _ in blocks(d))],
    ids=lambda path: path.name,
)
def test_commands_run(document, work, monkeypatch):
    for line, words in commands(document):
        where = f"{document.name}:{line}: {shlex.join(words)}"
        if words[0] == "skvideo-gru" and words[1] in RUN:
            run_own_command(words[1:], work)
            continue
        assert any(shlex.join(words).startswith(known) for known in NOT_RUN), where
        if words[0] == "skvideo-gru":
            parse_arguments(words[1:])
        if words[:2] == ["mlflow", "run"]:
            check_mlflow_run(words)


def test_the_reference_lists_every_public_name():
    text = (ROOT / "docs" / "api.md").read_text()
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    listed |= set(re.findall(r"^\.\. py:data:: (\w+)$", text, re.MULTILINE))
    assert listed == set(skvideo_gru.__all__)


def test_the_examples_page_lists_every_example_with_its_summary():
    text = (ROOT / "docs" / "examples.md").read_text()
    parts = re.findall(
        r"^## (\S+)\n\n(.+)\n\n```\{literalinclude\} \.\./examples/(\S+)$", text, re.MULTILINE
    )
    shown = {name: (line, included) for name, line, included in parts}
    assert shown == {
        file.name: (ast.get_docstring(ast.parse(file.read_text())).splitlines()[0], file.name)
        for file in EXAMPLES
    }


@pytest.mark.parametrize(
    "script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.name
)
def test_benchmarks_import_names_that_exist(script):
    """Their other packages need not be installed."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skvideo_gru"):
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_links_of_the_readme_lead_to_the_documentation_on_a_package_index():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = (ROOT / "README.md").read_text()
    hooks = project["tool"]["hatch"]["metadata"]["hooks"]
    for rule in hooks["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    base = re.escape(project["project"]["urls"]["Documentation"])
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://"), target
        if page := re.match(rf"{base}(\w+)\.html", target):
            assert (ROOT / "docs" / f"{page[1]}.md").exists(), target


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == skvideo_gru.__version__


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_resolve(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (document.parent / target).exists(), target
