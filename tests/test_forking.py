"""Forked processes compute after the parent process has computed."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, sys
import numpy as np, torch
from sklearn.base import clone
from skvideo_gru import make_video_classifier

def predict(_):
    return pipe.predict_proba(X)

def fit(_):
    return clone(pipe).set_params(features__max_epochs=1).fit(X, y).predict_proba(X)

torch.set_num_threads(2)
rng = np.random.default_rng(0)
X, y = list(rng.integers(0, 256, (6, 4, 32, 32, 3), dtype=np.uint8)), np.arange(6) % 2
pipe = make_video_classifier(
    random_state=0, features__n_frames=4, features__frame_size=32, features__max_epochs=0,
    gru__max_epochs=1,
).fit(X, y)
expected = pipe.predict_proba(X)
with multiprocessing.get_context("fork").Pool(2) as pool:
    for proba in pool.map(predict, range(2)):
        np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert pool.map(fit, range(1))[0].shape == (6, 2)
assert torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked")
def test_forked_processes_predict_and_fit():
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], check=True, timeout=240, env=environment
    )
