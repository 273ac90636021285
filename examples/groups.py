"""Cross-validation in which all clips of a camera are in the same fold.

Run ``python examples/groups.py``. It generates the clips of four cameras and a
manifest. For your own clips, write a CSV file with the same columns.
"""

import csv
import tempfile
from pathlib import Path

from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedGroupKFold, cross_validate

from skvideo_gru import load_video_manifest, make_order_videos, make_video_classifier


def write_manifest(folder: Path, n_cameras: int = 4) -> Path:
    """Generate clips of several cameras and a manifest with labels and cameras."""
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "group"])
        for number in range(n_cameras):
            camera = f"camera-{number}"
            clips = make_order_videos(folder / camera, n_per_class=8, random_state=number)
            for name, label in zip(clips.filenames, clips.target, strict=True):
                table.writerow([f"{camera}/{name}", label, camera])
    return manifest


def main() -> None:
    """Write a manifest, load it, and cross-validate by camera."""
    with tempfile.TemporaryDirectory() as folder:
        data = load_video_manifest(write_manifest(Path(folder)))
        print(data.DESCR)
        pipe = make_video_classifier(
            memory=Path(folder, "cache"),
            random_state=0,
            features__max_epochs=0,
            features__n_frames=6,
            features__frame_size=32,
            scale__transformer=PCA(4, whiten=True),
            gru__lr=0.01,
        )
        folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
        scores = cross_validate(
            pipe,
            data.data,
            data.target,
            groups=data.groups,
            cv=folds,
            return_indices=True,
            error_score="raise",
        )
        indices = scores["indices"]
        for train, test, accuracy in zip(
            indices["train"], indices["test"], scores["test_score"], strict=True
        ):
            known, unseen = sorted(set(data.groups[train])), sorted(set(data.groups[test]))
            assert not set(known) & set(unseen)
            print(f"trained on {', '.join(known)}; {', '.join(unseen)}: {accuracy:.2f}")


if __name__ == "__main__":
    main()
