"""A backbone whose weights come from a file in torchvision's layout.

Run it as ``python examples/pretrained_weights.py [WEIGHTS]``, with the path of
a ``resnet50`` state dict, ``.pth`` or ``.safetensors``, that you have already;
without one it writes such a file itself. Nothing is downloaded.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from skvideo_gru import ResNet50FrameFeaturizer, make_order_videos, make_video_classifier


def main(weights: str | None = None) -> None:
    """Classify with weights that another training has left."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        if weights is None:
            weights = str(Path(folder, "resnet50.safetensors"))
            # A stand-in for a long training on videos of your own.
            donor = ResNet50FrameFeaturizer(n_frames=4, frame_size=32, max_epochs=1)
            donor.fit(data.data, data.target).save_weights(weights)
            print(f"saved: {Path(weights).name}, {Path(weights).stat().st_size / 1e6:.0f} MB")
        pipe = make_video_classifier(
            random_state=0,
            features__weights=weights,
            features__max_epochs=0,  # weights as they are; with more, training begins there
            features__frame_size=32,  # with weights the default is 224, ImageNet's usual size
            features__n_frames=6,
            gru__max_epochs=5,
        )
        pipe.fit(data.data, data.target)
        # Written again they are the same, number for number.
        pipe["features"].save_weights(Path(folder, "again.pth"))
        again = ResNet50FrameFeaturizer(weights=Path(folder, "again.pth"), max_epochs=0)
        again.fit(data.data)
        for name, array in pipe["features"].weights_.items():
            np.testing.assert_array_equal(again.weights_[name], array)
        print(f"read: {len(again.weights_)} arrays, frames of {pipe['features'].frame_size_}")
        proba = pipe.predict_proba(data.data[:1])[0]
        shares = zip(pipe.classes_, proba, strict=True)
        print(*(f"{label}: {share:.3f}" for label, share in shares))


if __name__ == "__main__":
    main(*sys.argv[1:])
