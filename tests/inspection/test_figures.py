import pytest
from matplotlib.figure import Figure

from skvideo_gru.inspection.figures import one_line


@pytest.mark.parametrize("label", ["_a", "two\nlines", "<b>", "x" * 300])
def test_labels_are_short_and_have_one_line(label):
    assert len(one_line(label)) <= 24 and "\n" not in one_line(label)


def test_dollar_signs_are_literal():
    figure = Figure()
    shown, meant = figure.text(0, 0, one_line("$x$")), figure.text(0, 0, "$x$", parse_math=False)
    assert shown.get_window_extent().width == meant.get_window_extent().width
