import os
import shutil

import numpy as np
import pytest

from skvideo_gru import VideoClip, load_video_folder, load_video_manifest
from skvideo_gru.datasets.folders import find_videos, read_manifest


@pytest.fixture
def folder(tmp_path):
    for name in (
        "open/b.mp4",
        "open/a.MP4",
        "closed/c.avi",
        "closed/.hidden.mp4",
        "open/notes.txt",
    ):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).touch()
    (tmp_path / "clips" / "README.md").touch()
    (tmp_path / "clips" / ".git").mkdir()
    return tmp_path / "clips"


def test_a_folder_with_a_folder_for_each_class(folder):
    data = load_video_folder(folder)
    assert data.filenames.tolist() == ["closed/c.avi", "open/a.MP4", "open/b.mp4"]
    assert data.data == [str(folder / name) for name in data.filenames]
    assert data.target.tolist() == ["closed", "open", "open"]
    assert data.target_names == ["closed", "open"]
    assert data.groups is None
    assert data.split is None
    assert f"3 videos from {folder} in 2 classes: closed 1, open 2." == data.DESCR


def test_folders_inside_a_class_are_groups(folder):
    for name in ("open", "closed"):
        (folder / name / "cam1").mkdir()
        for file in (folder / name).glob("*.*"):
            shutil.move(file, folder / name / "cam1")
    (folder / "open" / "cam2").mkdir()
    (folder / "open" / "cam2" / "d.mkv").touch()
    data = load_video_folder(str(folder))
    assert data.groups.tolist() == ["cam1", "cam1", "cam1", "cam2"]
    (folder / "open" / "e.mkv").touch()
    assert load_video_folder(folder).groups is None


def test_links_are_followed_and_lead_nowhere_in_silence(folder, tmp_path):
    (tmp_path / "store" / "inside").mkdir(parents=True)
    (tmp_path / "store" / "inside" / "d.mp4").touch()
    (folder / "third").symlink_to(tmp_path / "store")
    (folder / "open" / "cam").symlink_to(tmp_path / "store" / "inside")
    (folder / "open" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "store" / "round").symlink_to(tmp_path / "store")
    (folder / "open" / "again").symlink_to(folder / "open" / "cam")
    expected = ["closed/c.avi", "open/a.MP4", "open/again/d.mp4", "open/b.mp4", "open/gone.mp4"]
    expected.append("third/inside/d.mp4")
    assert load_video_folder(folder).filenames.tolist() == expected
    # In one search each folder counts once.
    assert [path.name for path in find_videos(folder)].count("d.mp4") == 1


def test_a_folder_that_cannot_be_read_is_an_error(folder, monkeypatch):
    listed = os.scandir

    def scandir(place):
        if str(place).endswith("open"):
            raise PermissionError(13, "Permission denied", place)
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="open"):
        find_videos(folder)


def test_errors_of_folders(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        load_video_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="one folder for each class"):
        load_video_folder(tmp_path / "empty")
    (folder / "spare").mkdir()
    with pytest.raises(ValueError, match="spare: the class holds no video"):
        load_video_folder(folder)


def write_manifest(folder, text, encoding="utf-8"):
    (folder / "manifest.csv").write_text(text, encoding=encoding)
    return folder / "manifest.csv"


def test_a_manifest_with_every_column(folder):
    manifest = write_manifest(
        folder,
        "path,label,split,group,start,end,comment\n"
        "open/b.mp4,open,train,cam1,,,x\n"
        "open/b.mp4,closed,train,cam1,1.5,3,\n"
        f"{folder}/closed/c.avi,closed,test,cam2,,2.5,\n",
        encoding="utf-8-sig",
    )
    data = load_video_manifest(manifest)
    b, c = str(folder / "open/b.mp4"), str(folder / "closed/c.avi")
    assert data.data == [b, VideoClip(b, 1.5, 3.0), VideoClip(c, None, 2.5)]
    assert data.target.tolist() == ["open", "closed", "closed"]
    assert data.groups.tolist() == ["cam1", "cam1", "cam2"]
    assert data.split.tolist() == ["train", "train", "test"]
    assert data.filenames[0] == "open/b.mp4"
    assert "2 groups. Splits: test, train." in data.DESCR


def test_a_manifest_with_path_and_label_alone(folder):
    data = load_video_manifest(write_manifest(folder, "label, path\nopen , open/b.mp4\n"))
    assert data.data == [str(folder / "open/b.mp4")]
    assert data.target.tolist() == ["open"]
    assert data.groups is data.split is None
    assert isinstance(data.target, np.ndarray)


@pytest.mark.parametrize(
    "line",
    [
        '"open/b.mp4" ,open,',
        'open/b.mp4,"open" ,',
        'open/b.mp4,open,a "good" take',
        "open/b.mp4,open",
        'open/b.mp4,open,"two\nlines"',
        'open/b.mp4,open,"a ""good"" take"',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_what_people_write_is_read(folder, line, end):
    (folder / "manifest.csv").write_bytes(f"path,label,note{end or chr(10)}{line}{end}".encode())
    data = load_video_manifest(folder / "manifest.csv")
    assert data.filenames.tolist() == ["open/b.mp4"]
    assert data.target.tolist() == ["open"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("file,label\nopen/b.mp4,open\n", ValueError, r"found \['file', 'label'\]; path missing"),
        ("", ValueError, "path, label missing"),
        ("path,label\n", ValueError, "lists no video"),
        ("path,label\nopen/b.mp4,open\nopen/x.mp4,open\n", FileNotFoundError, r"line 3.*x\.mp4"),
        ("path,label\nopen/b.mp4,\n", ValueError, "line 2: label is empty"),
        ("path,label\nopen/b.mp4\n", ValueError, "line 2: label is empty"),
        ("path,label,group\nopen/b.mp4,open,\n", ValueError, "line 2: group is empty"),
        ("path,label,start\nopen/b.mp4,open,soon\n", ValueError, "line 2: start='soon'"),
        ("path,label,end\nopen/b.mp4,open,nan\n", ValueError, "line 2: end='nan'"),
        ("path,label,start,end\nopen/b.mp4,open,2,1\n", ValueError, "line 2.*end=1.0 must lie"),
        ("path,label\nopen/b.mp4,a\nopen/b.mp4,b\n", ValueError, "line 3.*in line 2 already"),
        ("path,label\nopen/b.mp4,a\nopen/../open/b.mp4,b\n", ValueError, "line 3.*in line 2"),
        ("path,label,label\nopen/b.mp4,a,b\n", ValueError, "more than one column is called label"),
        ('path,label\nopen/b.mp4,a\nopen/a.MP4,"b\nclosed/c.avi,b\n', ValueError, "after line 2"),
        ('path,label,x\nopen/b.mp4,a,"\nopen/a.MP4,b,\n', ValueError, "after line 1.*no end"),
        ('path,label\nopen/b.mp4,"a\nopen/a.MP4,"b\n', ValueError, "line 3.*a line break"),
        (f'path,label\nopen/b.mp4,"{"b" * 200_000}"\n', ValueError, "after line 1.*field limit"),
        ('"path,label\nopen/b.mp4,a\n', ValueError, "path, label missing"),
    ],
)
def test_errors_of_manifests(folder, text, error, message):
    with pytest.raises(error, match=message):
        load_video_manifest(write_manifest(folder, text))


def test_a_path_is_never_missing(folder):
    manifest = write_manifest(folder, "path,label\nopen/b.mp4,\n,\n")
    with pytest.raises(ValueError, match="line 3: path is empty"):
        read_manifest(manifest, complete=False)


def test_what_is_no_manifest(folder):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_video_manifest(folder / "none.csv")
    (folder / "manifest.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(ValueError, match="UTF-8"):
        load_video_manifest(folder / "manifest.csv")
