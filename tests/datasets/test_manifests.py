import numpy as np
import pytest

from skvideo_gru import VideoClip, load_video_manifest
from skvideo_gru.datasets.manifests import read_manifest
from skvideo_gru.video import as_video_list, describe_video, video_bounds


@pytest.fixture
def folder(tmp_path):
    for name in ("open/b.mp4", "open/a.MP4", "closed/c.avi"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).touch()
    return tmp_path / "clips"


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
    with pytest.warns(UserWarning, match="listed with two labels"):
        data = load_video_manifest(manifest)
    b, c = str(folder / "open/b.mp4"), str(folder / "closed/c.avi")
    assert data.data.tolist() == [b, VideoClip(b, 1.5, 3.0), VideoClip(c, None, 2.5)]
    assert data.target.tolist() == ["open", "closed", "closed"]
    assert data.groups.tolist() == ["cam1", "cam1", "cam2"]
    assert data.split.tolist() == ["train", "train", "test"]
    assert data.filenames[0] == "open/b.mp4"
    assert "2 groups. Parts of the split: test, train." in data.DESCR


def test_a_manifest_as_frames(folder):
    manifest = write_manifest(
        folder,
        "path,label,split,group,start,end\n"
        "open/b.mp4,open,train,cam1,,\nclosed/c.avi,closed,test,cam2,1.5,3\n",
    )
    data, plain = load_video_manifest(manifest, as_frame=True), load_video_manifest(manifest)
    assert data.data.columns.tolist() == ["path", "start", "end"]
    videos = as_video_list(data.data)
    assert list(map(describe_video, videos)) == list(map(describe_video, plain.data))
    assert list(map(video_bounds, videos)) == [(None, None), (1.5, 3.0)]
    assert data.target.name == "label" and data.target.tolist() == plain.target.tolist()
    assert data.frame.columns.tolist() == ["path", "start", "end", "label", "group", "split"]
    assert data.frame["group"].tolist() == plain.groups.tolist()
    assert data.frame["label"].equals(data.target)
    short = write_manifest(folder, "path,label\nopen/b.mp4,open\n")
    assert load_video_manifest(short, as_frame=True).frame.columns.tolist() == ["path", "label"]


def test_a_manifest_with_path_and_label_only(folder):
    data = load_video_manifest(write_manifest(folder, "label, path\nopen , open/b.mp4\n"))
    assert data.data.tolist() == [str(folder / "open/b.mp4")]
    assert data.target.tolist() == ["open"]
    assert data.groups is data.split is None
    assert isinstance(data.target, np.ndarray)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lable", "label"),
        ("groups", "group"),
        ("Split", "split"),
        ("start_time", "start"),
        ("END", "end"),
    ],
)
def test_a_column_whose_name_is_misspelt(folder, name, meant):
    manifest = write_manifest(folder, f"path,{name}\nopen/b.mp4,1\n")
    message = f"column '{name}' is ignored, and there is no column '{meant}'"
    with pytest.warns(UserWarning, match=message):
        data = read_manifest(manifest, complete=False)
    assert f"Ignored columns: {name}." in data.DESCR


def test_other_columns_are_listed(folder, recwarn):
    text = "path,label,table,gender,id\nopen/b.mp4,open,1,2,3\n"
    data = load_video_manifest(write_manifest(folder, text))
    assert "Ignored columns: table, gender, id." in data.DESCR
    assert not recwarn.list


def test_a_file_that_the_command_predict_has_written(folder):
    manifest = write_manifest(folder, "path,true,label,open,error\nopen/b.mp4,open,shut,0.4,\n")
    with pytest.warns(UserWarning, match="rename 'true' to 'label'"):
        load_video_manifest(manifest)


def test_names_of_the_validation_part(folder):
    text = "path,label,split\nopen/b.mp4,a,valid\nopen/a.MP4,a,validation\nclosed/c.avi,b,val\n"
    data = load_video_manifest(write_manifest(folder, text))
    assert data.split.tolist() == ["val"] * 3


def test_segments_of_an_annotation_tool(folder):
    text = "video,label,start,end\nopen/b.mp4,open,0,1.5\nopen/b.mp4,closed,1.5,3\n"
    data = load_video_manifest(write_manifest(folder, text))
    b = str(folder / "open/b.mp4")
    assert data.data.tolist() == [VideoClip(b, 0, 1.5), VideoClip(b, 1.5, 3)]
    assert data.filenames.tolist() == ["open/b.mp4"] * 2
    both = "path,video,label\nopen/b.mp4,a take,open\n"
    assert load_video_manifest(write_manifest(folder, both)).data.tolist() == [b]
    manifest = write_manifest(folder, "video\nopen/b.mp4\n")
    assert read_manifest(manifest, complete=False).data.tolist() == [b]


@pytest.mark.parametrize(
    "line",
    [
        '"open/b.mp4" ,open,',
        'open/b.mp4,"open" ,',
        'open/b.mp4,open,a "good" take',
        "open/b.mp4,open",
        'open/b.mp4,open,"two\nlines"',
        'open/b.mp4,open,"a ""good"" take"',
        "open/b.mp4,open,good,, ",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_lenient_csv(folder, line, end):
    (folder / "manifest.csv").write_bytes(f"path,label,note{end or chr(10)}{line}{end}".encode())
    data = load_video_manifest(folder / "manifest.csv")
    assert data.filenames.tolist() == ["open/b.mp4"]
    assert data.target.tolist() == ["open"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("file,label\nopen/b.mp4,open\n", ValueError, r"found \['file', 'label'\]. Add 'path' to"),
        ("", ValueError, "Add 'path', 'label' to"),
        ("path;label\nopen/b.mp4;open\n", ValueError, "by commas instead of ';'"),
        ("Path,Label\nopen/b.mp4,open\n", ValueError, "Write 'Path', 'Label' in lower case"),
        ("path,labels\nopen/b.mp4,open\n", ValueError, "Rename 'labels' to 'label'"),
        ("open/b.mp4,open\n", ValueError, "insert a line with the names of the columns"),
        ("path,label\n", ValueError, "contains no videos"),
        ("path,label\nopen/b.mp4,open\nopen/x.mp4,open\n", FileNotFoundError, r"line 3.*x\.mp4"),
        ("path,label\nopen/b.mp4,\n", ValueError, "line 2: label is empty"),
        ("path,label\nopen/b.mp4\n", ValueError, "line 2: label is empty"),
        ("path,label,group\nopen/b.mp4,open,\n", ValueError, "line 2: group is empty"),
        (
            "path,label,start\nopen/b.mp4,open,soon\n",
            ValueError,
            "line 2: start must be .* got 'soon'",
        ),
        ("path,label,end\nopen/b.mp4,open,nan\n", ValueError, "line 2: end must be .* got 'nan'"),
        ("path,label,start,end\nopen/b.mp4,open,2,1\n", ValueError, "line 2.*end=1.0 must"),
        ("path,label\nopen/b.mp4,a\nopen/b.mp4,b\n", ValueError, "line 3.*a duplicate of line 2"),
        (
            "path,label,begin\nopen/b.mp4,a,1\nopen/../open/b.mp4,b,2\n",
            ValueError,
            "line 3.*a duplicate of line 2.* or add the columns 'start' and 'end'",
        ),
        ("path,label,label\nopen/b.mp4,a,b\n", ValueError, "duplicate columns: label"),
        ("path,label,start\nopen/b.mp4,a,0,5\n", ValueError, "line 2: there are more values"),
        ('path,label\nopen/b.mp4,a\nopen/a.MP4,"b\nclosed/c.avi,b\n', ValueError, "after line 2"),
        (
            'path,label,x\nopen/b.mp4,a,"\nopen/a.MP4,b,\n',
            ValueError,
            "after line 1.*closing quotation mark.* is missing",
        ),
        ('path,label\nopen/b.mp4,"a\nopen/a.MP4,"b\n', ValueError, "line 3.*a line break"),
        (f'path,label\nopen/b.mp4,"{"b" * 200_000}"\n', ValueError, "after line 1.*field limit"),
        ('"path,label\nopen/b.mp4,a\n', ValueError, "Add 'path', 'label' to"),
    ],
)
def test_errors_of_manifests(folder, text, error, message):
    with pytest.raises(error, match=message):
        load_video_manifest(write_manifest(folder, text))


@pytest.mark.parametrize("columns", [",path,label,", "id,path,label,id"])
def test_ignored_columns_may_have_the_same_name(folder, columns):
    data = load_video_manifest(write_manifest(folder, f"{columns}\n0,open/b.mp4,open,\n"))
    assert data.filenames.tolist() == ["open/b.mp4"]


def test_a_path_is_required(folder):
    manifest = write_manifest(folder, "path,label\nopen/b.mp4,\n,\n")
    with pytest.raises(ValueError, match="line 3: path is empty"):
        read_manifest(manifest, complete=False)


def test_files_that_are_not_manifests(folder):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_video_manifest(folder / "none.csv")
    with pytest.raises(FileNotFoundError, match="load it with load_video_folder"):
        load_video_manifest(folder)
    (folder / "manifest.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(ValueError, match="UTF-8"):
        load_video_manifest(folder / "manifest.csv")


def test_time_ranges_of_one_file_are_a_group(folder):
    text = "path,label,start,end\nopen/b.mp4,x,0,1\nopen/../open/b.mp4,y,1,2\nclosed/c.avi,x,0,1\n"
    data = load_video_manifest(write_manifest(folder, text))
    assert data.groups.tolist() == ["open/b.mp4", "open/b.mp4", "closed/c.avi"]
    assert "2 groups." in data.DESCR
    one_each = "path,label,start\nopen/b.mp4,x,1\nclosed/c.avi,y,1\n"
    assert load_video_manifest(write_manifest(folder, one_each)).groups is None
    own = "path,label,start,end,group\nopen/b.mp4,x,0,1,g\nopen/b.mp4,y,1,2,h\n"
    assert load_video_manifest(write_manifest(folder, own)).groups.tolist() == ["g", "h"]
