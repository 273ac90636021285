"""The notebook runs, draws its figures, and is stored without outputs."""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


def outputs(cell, kind):
    return [output for output in cell.outputs if output.output_type == kind]


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MPLBACKEND")  # the kernel's own draws figures into the notebook
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        assert cell.outputs == [] and cell.execution_count is None
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()

    shown = {}
    for cell in cells:
        figures = [o for o in outputs(cell, "display_data") if "image/png" in o.data]
        for name in re.findall(r"^(\w+Display)\.from_estimator", cell.source, re.MULTILINE):
            shown[name] = len(figures)
    assert shown == {
        "TrainingDisplay": 1,
        "SearchDisplay": 1,
        "ConfusionMatrixDisplay": 2,
        "MistakesDisplay": 2,
        "FilmStripDisplay": 1,
    }
    text = "".join(o.text for cell in cells for o in outputs(cell, "stream"))
    assert re.search(r"GRU: 100%\|.* 20/20 ", text)  # progress bars
    assert re.search(r"^test accuracy: (1\.00|0\.[789]\d)$", text, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "clips", "model.skops"}
