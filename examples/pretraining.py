"""A backbone that has learned generated motion before it sees your clips.

Run ``python examples/pretraining.py FILE``: it trains a backbone on 12,900 generated clips and
saves its weights. This takes about an hour on two cores. After an interruption, run it again: it
continues with the last epoch. Nothing is downloaded. Without FILE, the example shows the steps
with few clips.
"""

import sys
import tempfile
from pathlib import Path

from skvideo_gru import (
    ResNet50FrameFeaturizer,
    make_motion_clips,
    make_order_videos,
    make_video_classifier,
)


def pretrain(
    file: str | Path, n_clips: int = 12900, max_epochs: int = 13, n_jobs: int = -1
) -> None:
    """Train a backbone on generated clips and save its weights."""
    clips = make_motion_clips(n_clips, random_state=0, n_jobs=n_jobs)
    backbone = ResNet50FrameFeaturizer(
        modality="motion",
        frame_size=32,
        max_epochs=max_epochs,
        mixed_precision="auto",
        memory=Path(file).with_suffix(".cache"),
        random_state=0,
        verbose=1,
    )
    backbone.fit(clips.data, clips.target).save_weights(file)
    print(f"saved: {file}")


def main() -> None:
    """Pretrain with few clips, and train a classifier that starts from the weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "motion.pth")
        pretrain(weights, n_clips=43, max_epochs=1, n_jobs=1)
        data = make_order_videos(Path(folder, "clips"), n_per_class=6, random_state=0)
        pipe = make_video_classifier(
            random_state=0,
            features__weights=weights,
            features__modality="motion",  # as in the pretraining
            features__frame_size=32,
            features__max_epochs=1,
            gru__max_epochs=5,
        )
        pipe.fit(data.data, data.target)
        print(f"started from {weights.name}, trained on {len(data.data)} clips")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pretrain(sys.argv[1])
    else:
        main()
