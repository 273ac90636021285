import io
import os
import socket
import threading

import av
import numpy as np
import pytest
from av.stream import Disposition
from conftest import make_frames

from skvideo_gru import VideoClip, VideoDecodeError, read_frames
from skvideo_gru.datasets.generated import write_video
from skvideo_gru.video import opening
from skvideo_gru.video.opening import content_digest


@pytest.fixture
def listener():
    """A local port that records connections."""
    calls = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                connection, caller = server.accept()
            except OSError:
                return
            calls.append(caller)
            connection.close()

    threading.Thread(target=listen, daemon=True).start()
    yield server.getsockname()[1], calls
    server.close()


@pytest.fixture
def secret(tmp_path):
    """A video that no test passes to `read_frames`."""
    path = tmp_path / "secret.ts"
    write_video(path, make_frames(5), codec="mpeg2video")
    return path


def playlists(target):
    """Files that make FFmpeg open another one."""
    return {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile {target}\n",
        "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "a.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "a.asx": f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
        "a.ram": f"{target}\n",
    }


@pytest.mark.parametrize("kind", playlists(""))
def test_playlists_are_rejected(kind, tmp_path, secret, listener, monkeypatch):
    port, calls = listener
    monkeypatch.chdir(tmp_path)
    addresses = [f"http://127.0.0.1:{port}/v.ts", f"tcp://127.0.0.1:{port}", f"{secret}"]
    for target in [*addresses, secret.name, f"file:{secret}", f"concat:{secret}"]:
        content = playlists(target)[kind].encode()
        for name in (kind, "innocent.mp4", "clip.avi"):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(VideoDecodeError) as caught:
                read_frames(tmp_path / name)
            assert caught.value.path == str(tmp_path / name)
        with pytest.raises(VideoDecodeError):
            read_frames(content)
    assert calls == []


@pytest.mark.parametrize(
    "name",
    [
        "http://127.0.0.1:{port}/v.mp4",
        "tcp://127.0.0.1:{port}",
        "concat:secret.ts|secret.ts",
        "subfile,,start,0,end,99999,,:secret.ts",
        "file:secret.ts",
        "pipe:0",
        "data:video/mp4;base64,AAAA",
        "lavfi:testsrc",
        "crypto:secret.ts",
    ],
)
def test_no_address_is_opened(name, tmp_path, secret, listener, monkeypatch):
    port, calls = listener
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoDecodeError, match="No such file"):
        read_frames(name.format(port=port))
    assert calls == []


def test_image_patterns_are_not_followed(tmp_path):
    for number in range(3):
        write_video(tmp_path / f"{number}.png", make_frames(1), codec="png", pix_fmt="rgb24")
    with pytest.raises(VideoDecodeError, match="No such file"):
        read_frames(tmp_path / "%d.png")
    (tmp_path / "%d.png").write_bytes(b"")
    with pytest.raises(VideoDecodeError):
        read_frames(tmp_path / "%d.png")


def test_references_to_other_files_are_not_followed(tmp_path, secret):
    # QuickTime's data reference: an alias instead of "in this file".
    path = tmp_path / "a.mov"
    write_video(path, make_frames(5))
    content = path.read_bytes()
    place = content.index(b"url \x00\x00\x00\x01")
    (tmp_path / "b.mov").write_bytes(
        content[:place] + b"alis\x00\x00\x00\x00" + content[place + 8 :]
    )
    (tmp_path / "b.mov").read_bytes()
    try:
        frames = read_frames(tmp_path / "b.mov", sampling="all")
    except VideoDecodeError:
        return
    np.testing.assert_array_equal(frames, read_frames(path, sampling="all"))


def test_special_files_are_rejected(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.mp4"))
        for name in ("pipe.mp4", "socket.mp4"):
            with pytest.raises(VideoDecodeError, match="device, pipe or socket, not a file"):
                read_frames(tmp_path / name)
    with pytest.raises(VideoDecodeError, match="device, pipe or socket"):
        read_frames("/dev/zero")
    with pytest.raises(VideoDecodeError, match="the path is a folder, not a file"):
        read_frames(tmp_path)


def test_a_file_object_must_be_open_and_binary(clip):
    with open(clip, "rb") as closed:
        pass
    with pytest.raises(VideoDecodeError, match=f"{clip.name}: the file object is closed"):
        read_frames(closed)
    with (
        open(clip, encoding="latin-1") as text,
        pytest.raises(VideoDecodeError, match="in text mode; open the file with 'rb'"),
    ):
        read_frames(text)


def test_missing_permission_is_reported(clip, monkeypatch):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    # The file's mode does not restrict the superuser.
    monkeypatch.setattr(opening, "open", forbidden, raising=False)
    with pytest.raises(VideoDecodeError, match="Permission denied"):
        read_frames(clip)


def test_a_dangling_link_is_reported(tmp_path):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nothing.mp4")
    with pytest.raises(VideoDecodeError, match="No such file"):
        read_frames(tmp_path / "link.mp4")


def test_pixels_are_limited(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 48)
    assert read_frames(clip, n_frames=1).shape == (1, 48, 64, 3)
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(VideoDecodeError, match=r"64 x 48 pixels, more than .*MAX_PIXELS = 3071"):
        read_frames(clip)


def test_pixels_are_limited_after_a_change_of_size(tmp_path, monkeypatch):
    # Two concatenated MPEG-2 streams, the second one larger.
    for size in (48, 96):
        write_video(tmp_path / f"{size}.m2v", make_frames(6, size, size), codec="mpeg2video")
    both = (tmp_path / "48.m2v").read_bytes() + (tmp_path / "96.m2v").read_bytes()
    with av.open(io.BytesIO(both)) as container:
        sizes = [frame.height for frame in container.decode(video=0)]
    assert set(sizes) == {48, 96}
    assert read_frames(both, sampling="all", frame_size=32).shape == (len(sizes), 32, 32, 3)
    with pytest.raises(VideoDecodeError, match="different sizes; set frame_size"):
        read_frames(both, sampling="all")
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 64)
    with pytest.raises(VideoDecodeError):
        read_frames(both, sampling="all", frame_size=32)


def test_a_cover_image_is_not_a_video(tmp_path):
    with av.open(str(tmp_path / "song.mp3"), "w") as container:
        stream = container.add_stream("libmp3lame", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    write_video(tmp_path / "cover.png", make_frames(1), codec="png", pix_fmt="rgb24")
    # An ID3v2.3 tag with one frame, the cover image.
    picture = b"\0image/png\0\3\0" + (tmp_path / "cover.png").read_bytes()
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    song = b"ID3\3\0\0" + length + frame + (tmp_path / "song.mp3").read_bytes()
    with av.open(io.BytesIO(song)) as container:
        assert container.streams.video[0].disposition & Disposition.attached_pic
    with pytest.raises(VideoDecodeError, match="no video stream, only a cover image"):
        read_frames(song)


def test_the_best_of_several_streams_is_read(tmp_path):
    path = tmp_path / "two.mp4"
    sizes = [(32, 32), (96, 64)]
    with av.open(str(path), "w") as container:
        streams = []
        for height, width in sizes:
            stream = container.add_stream("libx264", rate=10)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            streams.append(stream)
        streams[0].disposition = Disposition(0)
        streams[1].disposition = Disposition.default
        for number in range(8):
            for stream, size in zip(streams, sizes, strict=True):
                pixels = make_frames(8, *size)[number]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        best = container.streams.best("video").index
        expected = [f.to_ndarray(format="rgb24") for f in container.decode(video=best)]
    assert best == 1
    np.testing.assert_array_equal(read_frames(path, sampling="all"), expected)
    np.testing.assert_array_equal(read_frames(path, n_frames=1), expected[4:5])


def test_the_digest_depends_on_content_and_not_on_names(clip, tmp_path):
    copy = tmp_path / "other.mp4"
    copy.write_bytes(clip.read_bytes())
    digest = content_digest(clip)
    with copy.open("rb") as file:
        file.read(10)
        same = [content_digest(v) for v in (copy, str(copy), clip.read_bytes(), file)]
    assert set(same) == {digest}
    copy.write_bytes(clip.read_bytes() + b"x")
    others = [content_digest(v) for v in (copy, VideoClip(clip, 0.2), VideoClip(clip, None, 0.2))]
    assert len({digest, *others}) == 4


def test_the_digest_of_arrays_depends_on_values_and_shape():
    array = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    assert content_digest(array) == content_digest(array.copy(order="F"))
    assert content_digest(array) != content_digest(array.reshape(2, 6, 4, 3))


def test_the_digest_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(VideoDecodeError, match=r"missing\.mp4: No such file"):
        content_digest(tmp_path / "missing.mp4")


def test_special_files_have_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path, reason in (
        (tmp_path / "pipe.mp4", "pipe or socket"),
        ("a\0b", "not a valid file name: .*null (byte|character)"),
    ):
        with pytest.raises(VideoDecodeError, match=reason):
            content_digest(path)


def test_the_same_time_range_has_the_same_digest(clip):
    assert content_digest(VideoClip(clip, 0, 1)) == content_digest(
        VideoClip(clip, np.float64(0), 1.0)
    )


def test_a_file_object_that_can_only_read_and_seek_has_a_digest(clip):
    class Plain:
        def __init__(self, content):
            self.file = io.BytesIO(content)

        def read(self, size=-1):
            return self.file.read(size)

        def seek(self, *place):
            return self.file.seek(*place)

    assert content_digest(Plain(clip.read_bytes())) == content_digest(clip)
