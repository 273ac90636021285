"""A whole model as ONNX: prediction with OpenCV, NumPy and ONNX Runtime only.

Run ``python examples/onnx_opencv.py MODEL.onnx VIDEO...``. Without arguments, it
trains and exports small models of RGB frames and of motion images, and compares
their predictions with those in Python. Only this needs skvideo_gru: copy `predict`
and the functions above it into your own program.
"""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def decode(path: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode a video: its RGB frames, and their times in seconds from the first."""
    capture = cv2.VideoCapture(path)
    frames, times = [], []
    while True:
        decoded, bgr = capture.read()
        if not decoded:
            break
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    if not frames:
        raise ValueError(f"{path}: OpenCV cannot decode the video.")
    return frames, np.array(times) - times[0]


def sample(times: np.ndarray, options: dict) -> np.ndarray:
    """Choose the frames of a video by their indices, never decreasing."""
    n_frames, n_available = options["n_frames"], len(times)
    if options["sampling"] == "uniform":  # the centres of equal segments
        return (2 * np.arange(n_frames) + 1) * n_available // (2 * n_frames)
    if options["sampling"] == "fps":  # the frames on screen at regular times
        n_frames = min(n_frames, int((times[-1] + 1e-6) * options["fps"]) + 1)
        instants = np.arange(n_frames) / options["fps"] + 1e-6
        return np.searchsorted(times, instants, side="right") - 1
    raise ValueError(f"This example does not support sampling={options['sampling']!r}.")


def resize(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a frame: average the pixels that are merged, interpolate if it becomes larger."""
    smaller = height * width < frame.shape[0] * frame.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(frame, (width, height), interpolation=method)


def motion_images(frames: list[np.ndarray], indices: np.ndarray, options: dict) -> np.ndarray:
    """Compute motion images: outlines, changes before and changes after each frame.

    With modality "changes", the first channel shows the changes during the frame.
    """
    height, width = options["frame_size"]
    # Outlines and changes are computed at a larger size, of at most 128 pixels.
    detail = max(1, 128 // max(height, width))
    large = [resize(frame, height * detail, width * detail) for frame in frames]
    grey = np.stack(large).mean(axis=3, dtype=np.float32)
    contrast = np.maximum(grey.std(axis=(1, 2), keepdims=True), 1)
    scaled = grey * (64 / contrast)
    outlines = np.zeros_like(grey)
    outlines[:, :, 1:-1] += np.abs(scaled[:, :, 2:] - scaled[:, :, :-2])
    outlines[:, 1:-1] += np.abs(scaled[:, 2:] - scaled[:, :-2])
    changes = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    # The largest value of each block of pixels.
    outlines, changes = (
        each.reshape(-1, height, detail, width, detail).max(axis=(2, 4)).clip(0, 255).round()
        for each in (outlines, changes)
    )
    # A change is shown in the images up to four sampling steps before and after it.
    step = (indices[-1] - indices[0]) / max(len(indices) - 1, 1)
    reach, half, last = max(1, round(4 * step)), max(1, round(step / 2)), len(frames) - 1
    images = np.empty((len(indices), height, width, 3), np.float32)
    for image, index in zip(images, indices, strict=True):
        image[..., 0] = outlines[index]
        if options["modality"] == "changes":
            image[..., 0] = changes[max(index - half, 0) : index + half + 1].max(axis=0)
        end, start = max(index, min(1, last)), min(index + 1, last)
        image[..., 1] = changes[max(end - reach + 1, 0) : end + 1].max(axis=0)
        image[..., 2] = changes[start : start + reach].max(axis=0)
    return np.sqrt(255 * images).round().astype(np.uint8)


def predict(session: onnxruntime.InferenceSession, path: str) -> dict[str, float]:
    """Predict the probability of each class of a video."""
    metadata = session.get_modelmeta().custom_metadata_map
    text = ("modality", "sampling", "resize", "skvideo_gru_version")
    options = {k: v if k in text else json.loads(v) for k, v in metadata.items()}
    if options["resize"] != "stretch":
        raise ValueError(f"This example does not support resize={options['resize']!r}.")
    decoded, times = decode(path)
    indices = sample(times, options)
    if options["modality"] == "rgb":
        frames = np.stack([resize(decoded[index], *options["frame_size"]) for index in indices])
    else:
        frames = motion_images(decoded, indices, options)
    inputs = {"frames": frames[None]}
    if len(session.get_inputs()) > 1:  # the number of frames varies
        inputs["lengths"] = np.array([len(frames)])
    (probabilities,) = session.run(["probabilities"], inputs)
    return dict(zip(options["classes"], probabilities[0].tolist(), strict=True))


def compare(data, modality: str, model: str) -> None:
    """Train and export a small model, and compare the predictions for one video."""
    from skvideo_gru import export_onnx, make_video_classifier

    pipe = make_video_classifier(
        random_state=0,
        features__modality=modality,
        features__max_epochs=0,
        features__n_frames=6,
        features__frame_size=32,
    )
    pipe.fit(data.data, data.target)
    export_onnx(pipe, model)

    session, video = onnxruntime.InferenceSession(model), data.data[-1]
    # The same frames give the same probabilities, up to rounding.
    frames = pipe["features"].read_frames(video)
    exact = session.run(None, {"frames": frames[None]})[0][0]
    expected = pipe.predict_proba([video])[0]
    print(f"{modality}, the same frames: equal within {np.abs(exact - expected).max():.0e}")
    # When frames become smaller, OpenCV averages colours at full resolution, and FFmpeg,
    # which skvideo_gru uses, at half of it.
    found = predict(session, video)
    for label, probability in zip(pipe.classes_.tolist(), expected, strict=True):
        print(f"{modality}, {label}: Python {probability:.3f}, OpenCV {found[label]:.3f}")


def main() -> None:
    """Predict the videos of the command line, or compare on generated clips."""
    if len(sys.argv) > 1:
        session = onnxruntime.InferenceSession(sys.argv[1])
        for path in sys.argv[2:]:
            print(path, predict(session, path))
        return
    from skvideo_gru import make_order_videos

    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder, "clips")
        data = make_order_videos(clips, n_per_class=4, frame_size=128, random_state=0)
        for modality in ("rgb", "motion", "changes"):
            compare(data, modality, str(Path(folder, f"{modality}.onnx")))


if __name__ == "__main__":
    main()
