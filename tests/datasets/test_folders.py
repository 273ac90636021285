import os
import shutil

import pytest

from skvideo_gru import load_video_folder
from skvideo_gru.datasets.folders import find_videos


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
    assert data.data.tolist() == [str(folder / name) for name in data.filenames]
    assert data.target.tolist() == ["closed", "open", "open"]
    assert data.target_names == ["closed", "open"]
    assert data.groups is None
    assert data.split is None
    assert (
        f"3 videos from {folder} in 2 classes: closed 1, open 2. "
        "Skipped files: 2 hidden, 1 outside the class folders, 1 .txt."
    ) == data.DESCR


def test_a_folder_as_frames(folder):
    data, plain = load_video_folder(folder, as_frame=True), load_video_folder(folder)
    assert data.data["path"].tolist() == plain.data.tolist()
    assert data.frame[["path", "label"]].values.tolist() == [
        [path, label] for path, label in zip(plain.data, plain.target, strict=True)
    ]
    assert plain.frame is None


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


def test_links_are_followed_to_each_folder_once(folder, tmp_path):
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
    # Within one search, each folder is searched once.
    assert [path.name for path in find_videos(folder)[0]].count("d.mp4") == 1


def test_a_folder_that_cannot_be_read_is_an_error(folder, monkeypatch):
    listed = os.scandir

    def scandir(place):
        if str(place).endswith("open"):
            raise PermissionError(13, "Permission denied", place)
        return listed(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="open"):
        find_videos(folder)


def test_a_tilde_is_the_home_directory(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_video_folder("~/clips").filenames[0] == "closed/c.avi"


def test_errors_of_folders(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        load_video_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="load a manifest with load_video_manifest"):
        load_video_folder(folder / "open" / "b.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="one sub-folder per class"):
        load_video_folder(tmp_path / "empty")
    (folder / "spare").mkdir()
    with pytest.raises(ValueError, match="spare: the class folder contains no video"):
        load_video_folder(folder)


def test_every_skipped_file_is_counted(folder):
    names = ("open/x.MOV", "open/y.mod", "open/notes", "open/z.srt", "open/w.SRT", "open/.cache/a")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    os.mkfifo(folder / "open" / "pipe.mp4")
    videos, skipped = find_videos(folder)
    assert {path.name for path in videos} == {"a.MP4", "b.mp4", "c.avi", "x.MOV", "y.mod"}
    expected = {".srt": 2, ".txt": 1, ".md": 1, "without a file extension": 1, "hidden": 3}
    assert skipped == expected | {"not a regular file": 1}
    (folder / "only").mkdir()
    (folder / "only" / "a.srt").touch()
    with pytest.raises(ValueError, match=r"only: .* contains no video \(skipped files: 1 .srt\)"):
        load_video_folder(folder)
