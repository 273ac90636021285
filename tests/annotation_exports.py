"""Small exports of annotation tools, written by hand in their documented formats.

Each of them contains the segments `SEGMENTS` of the video ``day.mp4``, 12 frames a second.
"""

import json

SEGMENTS = [("day.mp4", "open", 0.25, 0.75), ("day.mp4", "closed", 1.0, 1.5)]

# The export of temporal segments of VIA's video annotator: comments, then quoted rows with JSON in
# the columns file_list and metadata. Header and reader:
# https://github.com/microsoft/computervision-recipes, scenarios/action_recognition/
# video_annotation; instructions: the README there.
VIA = """\
# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata
"1_j5sJvB9h","[""day.mp4""]",0.25,0.75,"{""TEMPORAL-SEGMENTS"":""open""}"
"1_zYQJk2sM","[""day.mp4""]",1,1.5,"{""TEMPORAL-SEGMENTS"":""closed""}"
"""


def _region(label, first, last):
    return {
        "type": "timelinelabels",
        "value": {"ranges": [{"start": first, "end": last}], "timelinelabels": [label]},
    }


# The JSON export of Label Studio with the tag TimelineLabels, https://labelstud.io/tags/timelinelabels.
# Frames count from 1, and ranges contain their last frame.
LABEL_STUDIO = json.dumps(
    [
        {
            "id": 1,
            "data": {"video": "/data/local-files/?d=videos/day.mp4"},
            "annotations": [
                {
                    "result": [
                        _region("open", 4, 9),
                        {"type": "choices", "value": {"choices": ["good"]}},
                        _region("closed", 13, 18),
                    ]
                }
            ],
        }
    ]
)

# "CVAT for video 1.1", https://docs.cvat.ai/docs/manual/advanced/xml_format/. Frames count from 0;
# a shape with outside="1" is the first without the object.
CVAT = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><size>24</size><mode>interpolation</mode><source>day.mp4</source></task></meta>
  <track id="0" label="open" source="manual">
    <box frame="3" outside="0" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9"></box>
    <box frame="4" outside="0" occluded="0" keyframe="0" xtl="1" ytl="1" xbr="9" ybr="9"></box>
    <box frame="9" outside="1" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9"></box>
  </track>
  <track id="1" label="closed" source="manual">
    <box frame="12" outside="0" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9"></box>
    <box frame="18" outside="1" occluded="0" keyframe="1" xtl="1" ytl="1" xbr="9" ybr="9"></box>
  </track>
</annotations>
"""


def write_exports(folder):
    """Write the exports under the names that the guide uses."""
    exports = {"via.csv": VIA, "label-studio.json": LABEL_STUDIO, "annotations.xml": CVAT}
    for name, content in exports.items():
        (folder / name).write_text(content)
