"""Classical baselines for videos: thumbnails, and histograms of space-time gradients.

The second baseline is similar to histograms of oriented gradients (Dalal and Triggs, 2005) and of
optical flow (Laptev et al., 2008). It computes histograms over a grid of cells and classifies them
with a linear support vector machine.
"""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skvideo_gru import read_frames

N_FRAMES, SIZE = 24, 64
CELLS, N_BINS = (3, 4, 4), 8  # in time, height and width; directions
MIN_FLOW = 0.05  # normal flow of a moving pixel, in pixels per sampled frame


def grey_frames(video: object) -> np.ndarray:
    """Read 24 grey frames of 64 x 64 pixels, float32 in [0, 1]."""
    frames = read_frames(video, n_frames=N_FRAMES, frame_size=SIZE)
    return (frames @ np.array([0.299, 0.587, 0.114], np.float32)) / 255


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """Compute the mean and the standard deviation of a 16 x 16 thumbnail over time."""
    small = grey.reshape(N_FRAMES, 16, 4, 16, 4).mean((2, 4))
    return np.concatenate([small.mean(0).ravel(), small.std(0).ravel()])


def direction_histogram(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Compute the square roots of normalised weighted histograms of directions in each cell."""
    direction = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * N_BINS).astype(int) % N_BINS
    cell = np.zeros_like(direction)
    for axis, (length, n_cells) in enumerate(zip(weight.shape, CELLS, strict=True)):
        index = np.arange(length) * n_cells // length
        cell = cell * n_cells + np.expand_dims(index, [a for a in range(3) if a != axis])
    bins = cell * N_BINS + direction
    counts = np.bincount(bins.ravel(), weight.ravel(), np.prod(CELLS) * N_BINS)
    return np.sqrt(counts / (counts.sum() + 1e-6))


def gradient_descriptor(grey: np.ndarray) -> np.ndarray:
    """Compute histograms of spatial gradients, of gradients of change, and of normal flow."""
    gy, gx = np.gradient(grey, axis=(1, 2))
    gt = np.gradient(grey, axis=0)
    cy, cx = np.gradient(np.abs(gt), axis=(1, 2))
    squared = gx**2 + gy**2 + 1e-3
    fx, fy = -gt * gx / squared, -gt * gy / squared
    moving = np.hypot(fx, fy) > MIN_FLOW
    return np.concatenate(
        [
            direction_histogram(gx, gy, np.hypot(gx, gy)),
            direction_histogram(cx, cy, np.hypot(cx, cy)),
            direction_histogram(fx, fy, np.abs(gt) * moving),
        ]
    )


#: The descriptor of grey frames and the classifier of each baseline.
BASELINES = {
    "1-NN on thumbnails": (thumbnail, KNeighborsClassifier(1)),
    "linear SVM on space-time gradients": (
        gradient_descriptor,
        make_pipeline(StandardScaler(), LinearSVC(C=0.01, max_iter=5000)),
    ),
}
