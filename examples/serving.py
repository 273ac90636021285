"""A model served by MLflow: requests with paths, an upload and a truncated video.

Run ``python examples/serving.py``. It trains and logs a small model, starts
``mlflow models serve`` on this machine, and sends an HTTP request.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow

from skvideo_gru import log_model, make_order_videos, make_video_classifier


@contextmanager
def served(model: str, folders: list[str]) -> Iterator[str]:
    """Serve a model that may read videos in the given folders; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = f"mlflow models serve --env-manager local --port {port} --workers 1 --model-uri"
    server = subprocess.Popen(
        [sys.executable, "-m", *command.split(), model],
        env={**os.environ, "PATH": path, "SKVIDEO_GRU_FOLDERS": os.pathsep.join(folders)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/ping")
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def request_predictions(address: str, videos: list[str]) -> list[dict]:
    """Request labels and probabilities."""
    body = json.dumps({"inputs": videos, "params": {"probabilities": True}})
    request = urllib.request.Request(
        f"{address}/invocations", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)["predictions"]


def main() -> None:
    """Train, log and serve a model, and send requests."""
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        data = make_order_videos(Path(folder, "clips"), n_per_class=4, random_state=0)
        pipe = make_video_classifier(random_state=0, gru__max_epochs=5)
        pipe["features"].set_params(max_epochs=0, n_frames=6, frame_size=32)
        pipe.fit(data.data, data.target)
        experiment = mlflow.create_experiment("served", artifact_location=f"{folder}/artifacts")
        with mlflow.start_run(experiment_id=experiment):
            model = log_model(pipe, data.data[0])

        video = Path(data.data[0])
        truncated = video.with_name("truncated.mp4")
        truncated.write_bytes(video.read_bytes()[:1000])
        upload = base64.b64encode(video.read_bytes()).decode()
        with served(model, [str(video.parent)]) as address:
            for answer in request_predictions(
                address, [str(video), upload, str(truncated), "/etc/hostname"]
            ):
                print(answer["label"], answer["probabilities"], answer["error"])


if __name__ == "__main__":
    main()
