"""A backbone with weights from a file in torchvision's layout.

Run ``python examples/pretrained_weights.py [WEIGHTS]``, where WEIGHTS is a
``resnet50`` state dict, ``.pth`` or, with the extra ``safetensors``, ``.safetensors``. Without
an argument, the example writes such a file first. It downloads nothing.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from skvideo_gru import ResNet50FrameFeaturizer, make_order_videos, make_video_classifier


def main(weights: str | None = None) -> None:
    """Train a classifier on a backbone with given weights."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        if weights is None:
            weights = str(Path(folder, "resnet50.pth"))
            # A placeholder for a long training on your own videos.
            donor = ResNet50FrameFeaturizer(n_frames=4, frame_size=32, max_epochs=1)
            donor.fit(data.data, data.target).save_weights(weights)
            print(f"saved: {Path(weights).name}, {Path(weights).stat().st_size / 1e6:.0f} MB")
        pipe = make_video_classifier(
            random_state=0,
            features__weights=weights,
            features__max_epochs=0,  # frozen; otherwise the weights are the initialisation
            features__frame_size=32,  # the default with weights is 224, as for ImageNet
            features__n_frames=6,
            gru__max_epochs=5,
        )
        pipe.fit(data.data, data.target)
        # Saving and loading preserves all values exactly.
        pipe["features"].save_weights(Path(folder, "copy.pth"))
        copy = ResNet50FrameFeaturizer(weights=Path(folder, "copy.pth"), max_epochs=0)
        copy.fit(data.data)
        for name, array in pipe["features"].weights_.items():
            np.testing.assert_array_equal(copy.weights_[name], array)
        print(f"loaded: {len(copy.weights_)} arrays, frame size {pipe['features'].frame_size_}")
        proba = pipe.predict_proba(data.data[:1])[0]
        pairs = zip(pipe.classes_, proba, strict=True)
        print(*(f"{label}: {p:.3f}" for label, p in pairs))


if __name__ == "__main__":
    main(*sys.argv[1:])
