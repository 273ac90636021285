"""The GRU classifier on your own sequences, with any number of features and frames.

Run ``python examples/own_embeddings.py``. Sequences of different lengths are
stored in one array, padded with NaN at the end.
"""

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvideo_gru import FrameWise, GRUClassifier

N_VIDEOS, MAX_FRAMES, N_FEATURES = 120, 20, 16


def make_embeddings(random_state: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Generate noisy sequences that move in one of two directions in feature space."""
    rng = np.random.default_rng(random_state)
    y = np.array(["approaching", "departing"])[rng.integers(2, size=N_VIDEOS)]
    direction = rng.normal(size=N_FEATURES)
    X = np.full((N_VIDEOS, MAX_FRAMES, N_FEATURES), np.nan, np.float32)
    for row, label in zip(X, y, strict=True):
        n_frames = rng.integers(6, MAX_FRAMES + 1)
        drift = np.linspace(-1, 1, n_frames) * (1 if label == "approaching" else -1)
        noise = rng.normal(scale=0.8, size=(n_frames, N_FEATURES))
        row[:n_frames] = 50 + drift[:, None] * direction + noise
    return X, y


def main() -> None:
    """Train on padded sequences and predict after each frame."""
    X, y = make_embeddings()
    lengths = (~np.isnan(X[:, :, 0])).sum(axis=1)
    print(f"{len(X)} sequences of {lengths.min()} to {lengths.max()} frames")
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    # FrameWise fits one scale per feature over all frames and ignores the padding.
    pipe = make_pipeline(
        FrameWise(StandardScaler(), frame_dim=N_FEATURES),
        GRUClassifier(frame_dim=N_FEATURES, lr=0.01, random_state=0),
    )
    pipe.fit(X_train, y_train)
    print(f"test accuracy: {pipe.score(X_test, y_test):.3f} on {len(X_test)} sequences")

    shortest = np.isnan(X_test[:, :, 0]).sum(axis=1).argmax()
    sequence = pipe[:-1].transform(X_test[[shortest]])
    running = pipe[-1].predict_proba_frames(sequence)[0]
    column = pipe.classes_.tolist().index(y_test[shortest])
    print(f"probability of {str(y_test[shortest])!r} after each frame (NaN for padding):")
    print(running[:, column].round(2))


if __name__ == "__main__":
    main()
