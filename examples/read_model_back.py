"""Saving a model and loading it in another process, with joblib and with skops.

Run ``python examples/read_model_back.py``. A joblib file is a pickle and can run
code when it is loaded; skops loads trusted types only.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import skops.io

from skvideo_gru import SKOPS_TRUSTED_TYPES, make_order_videos, make_video_classifier


def predict(folder: Path, videos: list[str]) -> None:
    """Load both models and save their probabilities. Runs in the other process."""
    pipe = joblib.load(folder / "model.joblib")
    np.save(folder / "joblib.npy", pipe.predict_proba(videos))
    # A type that neither skops nor this list trusts raises an error.
    pipe = skops.io.load(folder / "model.skops", trusted=SKOPS_TRUSTED_TYPES)
    np.save(folder / "skops.npy", pipe.predict_proba(videos))


def main() -> None:
    """Save a model in both formats and compare the probabilities of the loaded models."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = make_order_videos(folder / "clips", n_per_class=4, random_state=0)
        pipe = make_video_classifier(random_state=0, gru__max_epochs=5)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        pipe.fit(data.data, data.target)
        videos = data.data[:2]
        expected = pipe.predict_proba(videos)

        joblib.dump(pipe, folder / "model.joblib")
        skops.io.dump(pipe, folder / "model.skops")
        subprocess.run([sys.executable, __file__, str(folder), *videos], check=True)
        for name in ("joblib", "skops"):
            same = np.array_equal(np.load(folder / f"{name}.npy"), expected)
            size = (folder / f"model.{name}").stat().st_size / 1e6
            print(f"{name}, {size:.0f} MB: {'identical' if same else 'different'} probabilities")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        predict(Path(sys.argv[1]), sys.argv[2:])
    else:
        main()
