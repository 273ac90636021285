"""Messages about objects that are not videos."""

import collections
import io

import numpy as np
import pytest
import torch

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.video.videos import as_video_list, describe_video

FRAMES = [np.full((8, 8, 3), 77, np.uint8)] * 5
SEQUENCES = [FRAMES, tuple(FRAMES), collections.deque(FRAMES), iter(FRAMES), map(np.copy, FRAMES)]


@pytest.mark.parametrize("frames", SEQUENCES, ids=lambda frames: type(frames).__name__)
def test_sequences_of_frames_are_refused_without_their_pixels(frames):
    for read in (read_frames, lambda frames: as_video_list([frames])):
        with pytest.raises(TypeError, match=r"np.stack.*RGB.*::-1") as caught:
            read(frames)
        assert "77" not in str(caught.value)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_tensors_are_refused_with_the_conversion(dtype):
    video = torch.full((5, 3, 8, 8), 77, dtype=dtype)
    for read in (read_frames, lambda video: as_video_list([video]), as_video_list):
        with pytest.raises(TypeError, match=r"Tensor of shape .*permute\(0, 2, 3, 1\)") as caught:
            read(video)
        assert "77" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 3, 8, 8), np.uint8), "transpose"),
        (np.zeros((5, 8, 8, 4), np.uint8), "RGBA"),
        (np.zeros((8, 8, 3), np.uint8), "np.stack"),
        (np.array(["a.mp4", "b.mp4"]), r"pass one of them, such as videos\[0\]"),
        (np.array(["a.mp4", "b.mp4"], object), r"pass one of them, such as videos\[0\]"),
        (np.zeros(500, np.uint8), r"video\.tobytes\(\)"),
        (np.zeros((5, 8, 8, 3), np.float32), "float32"),
    ],
)
def test_wrong_arrays_are_named(array, message):
    with pytest.raises(VideoDecodeError, match=f"RGB.*{message}"):
        read_frames(array)


@pytest.mark.parametrize("X", [{"path": ["a.mp4"]}, {"a.mp4", "b.mp4"}])
def test_collections_without_an_order_of_rows_are_refused(X):
    with pytest.raises(TypeError, match=f"got {type(X).__name__}"):
        as_video_list(X)


@pytest.mark.parametrize(
    "content",
    [b"clip.mp4", b"/no/such/clip.MOV\n", b"rtsp://camera/1", b"http://h/a", b"caf\xe9.avi", b"/"],
)
def test_bytes_that_are_a_path(content):
    with pytest.raises(VideoDecodeError, match="the bytes contain a path; pass it as a str"):
        read_frames(content)


def test_a_memoryview_is_refused(clip):
    with pytest.raises(TypeError, match=r"pass bytes\(video\)"):
        read_frames(memoryview(clip.read_bytes()))


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "RTSP", "s3", "gs", "file"])
def test_only_local_files_are_read(scheme):
    address = f"{scheme}://host/a.mp4"
    for video in (address, VideoClip(address, 0, 1)):
        with pytest.raises(VideoDecodeError, match="only local files can be read; pass the path"):
            read_frames(video)


class Body(io.RawIOBase):
    """A file object that reads but does not seek, such as a download."""

    def __init__(self, content, seekable):
        self._file, self._seekable = io.BytesIO(content), seekable

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._file.readinto(buffer)

    def seekable(self):
        return self._seekable


@pytest.mark.parametrize("seekable", [False, True])
def test_a_file_object_that_cannot_seek(clip, seekable):
    body = Body(clip.read_bytes(), seekable)
    with pytest.raises(
        VideoDecodeError, match=r"not seekable; pass its content instead: .*read\(\)"
    ):
        read_frames(body)
    assert len(read_frames(body.read(), n_frames=2)) == 2


def test_file_objects_without_a_name_are_described_by_type(clip):
    with open(clip, "rb") as file:
        assert describe_video(file) == str(clip)
        with open(file.fileno(), "rb", closefd=False) as same:
            assert describe_video(same) == "<BufferedReader>"
