import av
import numpy as np
import pytest
from conftest import make_frames

from skvideo_gru import read_frames
from skvideo_gru.datasets.generated import write_video

# Row by row a, b, c, d of a display matrix: x' = a x + c y, y' = b x + d y.
ORIENTATIONS = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, 1, 1, 0),
    (0, -1, -1, 0),
]


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_display_matrices_rotate_and_flip(tmp_path, matrix):
    a, b, c, d = matrix
    frames = make_frames(2)
    path = tmp_path / "a.mov"
    write_video(path, frames, options={"qp": "0"}, pix_fmt="yuv444p")
    stored = read_frames(path, sampling="all")
    content = path.read_bytes()
    one, zero = (1 << 16).to_bytes(4, "big"), bytes(4)
    place = content.index(one + zero * 3 + one + zero, content.index(b"tkhd"))

    def fixed(number):
        return (number * 65536 % 2**32).to_bytes(4, "big")

    numbers = fixed(a) + fixed(b) + zero + fixed(c) + fixed(d) + zero
    shown = read_frames(content[:place] + numbers + content[place + 24 :], sampling="all")
    # The matrix applied to each pixel.
    n, height, width, _ = stored.shape
    expected = np.zeros((n, *((width, height) if a == 0 else (height, width)), 3), np.uint8)
    for y in range(height):
        for x in range(width):
            to_x, to_y = a * x + c * y, b * x + d * y
            # Negative coordinates are shifted to the visible area.
            row = to_y if b + d > 0 else to_y - 1
            column = to_x if a + c > 0 else to_x - 1
            expected[:, row, column] = stored[:, y, x]
    np.testing.assert_array_equal(shown, expected)


def circle(height, width, pixel_aspect=1.0):
    """A white disc on grey that is round at the given aspect ratio of pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    x, middle = x * pixel_aspect, width * pixel_aspect / 2
    inside = (x - middle) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2
    return np.where(inside, 255, 128).astype(np.uint8)[..., None].repeat(3, axis=2)


def extent(image):
    """Height and width of the white area."""
    rows, columns = np.nonzero(image[..., 0] > 190)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_stretch_does_not_keep_the_aspect_ratio():
    frames = circle(120, 240)[None]
    image = read_frames(frames, n_frames=1, frame_size=90)[0]
    height, width = extent(image)
    assert height == pytest.approx(2 * width, abs=2)


@pytest.mark.parametrize("size", [(90, 90), (60, 150), (150, 60), (240, 240)])
def test_crop_keeps_the_aspect_ratio_and_fills_the_frame(size):
    frames = circle(120, 160)[None]
    image = read_frames(frames, n_frames=1, frame_size=size, resize="crop")[0]
    assert image.shape == (*size, 3)
    assert image.min() > 100  # no bars
    factor = max(size[0] / 120, size[1] / 160)
    expected = (min(80 * factor, size[0]), min(80 * factor, size[1]))
    assert extent(image) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("size", [(90, 90), (60, 150), (150, 60), (240, 240)])
def test_pad_keeps_the_aspect_ratio_and_the_whole_frame(size):
    frames = circle(120, 160)[None]
    image = read_frames(frames, n_frames=1, frame_size=size, resize="pad")[0]
    assert image.shape == (*size, 3)
    factor = min(size[0] / 120, size[1] / 160)
    assert extent(image) == pytest.approx((80 * factor, 80 * factor), abs=2)
    rows, columns = np.nonzero(image[..., 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx(
        (120 * factor, 160 * factor), abs=1
    )
    # The bars on both sides have the same width.
    assert abs(rows.min() - (size[0] - 1 - rows.max())) <= 1
    assert abs(columns.min() - (size[1] - 1 - columns.max())) <= 1


def test_crop_and_pad_respect_the_aspect_ratio_of_pixels(tmp_path):
    path = tmp_path / "dvd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 120, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        pixels = circle(120, 120, pixel_aspect=2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    # Displayed at 240 x 120.
    padded = read_frames(path, n_frames=1, frame_size=(120, 120), resize="pad")[0]
    assert extent(padded) == pytest.approx((40, 40), abs=2)
    assert not padded[:29].any()
    cropped = read_frames(path, n_frames=1, frame_size=(120, 120), resize="crop")[0]
    assert extent(cropped) == pytest.approx((80, 80), abs=2)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_downscaling_has_no_moire(resize):
    # The average of lines one pixel wide is an even grey.
    lines = np.zeros((1, 200, 200, 3), np.uint8)
    lines[:, :, ::2] = 255
    small = read_frames(lines, n_frames=1, frame_size=33, resize=resize)
    assert np.abs(small.astype(int) - 127).max() <= 12
