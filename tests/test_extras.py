import sys

import pytest

from skvideo_gru.datasets.bunches import as_frames
from skvideo_gru.extras import import_extra
from skvideo_gru.inspection.predictions import tabulate


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    message = "as_frame=True requires the package pandas.*pip install 'skvideo-gru.mlflow.'"
    with pytest.raises(ImportError, match=message):
        as_frames({})
    with pytest.raises(ImportError, match="the table of predictions requires the package pandas"):
        tabulate([], [], [], [])


def test_an_installed_package_is_returned():
    assert import_extra("os.path", extra="none", purpose="the test") is sys.modules["os.path"]
