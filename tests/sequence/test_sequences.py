import numpy as np
import pytest

from skvideo_gru.sequence.sequences import fold_rows, is_three_d, real_frames, sequence_lengths

NAN = np.nan


def test_rows_are_folded_frame_by_frame():
    rows = np.array([[1, 2, 3, 4, 5, 6]])
    np.testing.assert_array_equal(fold_rows(rows, 2), [[[1, 2], [3, 4], [5, 6]]])
    sequences = np.zeros((2, 3, 4))
    assert fold_rows(sequences, 2048) is sequences


def test_a_width_that_is_not_a_multiple_of_frame_dim_is_an_error():
    with pytest.raises(ValueError, match="7 columns, not a multiple of frame_dim=2"):
        fold_rows(np.zeros((1, 7)), 2)
    with pytest.raises(ValueError, match="4 dimensions"):
        fold_rows(np.zeros((1, 2, 3, 4)), 2)


def test_trailing_frames_of_nan_are_padding():
    sequences = np.array(
        [
            [[1, 2], [3, 4], [5, 6]],
            [[1, 2], [NAN, NAN], [NAN, NAN]],
            [[NAN, NAN], [NAN, NAN], [NAN, NAN]],
        ]
    )
    assert sequence_lengths(sequences).tolist() == [3, 1, 0]
    assert real_frames(sequences).tolist() == [[True] * 3, [True, False, False], [False] * 3]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ([[1, 2], [NAN, NAN], [5, 6]], "sequence 1, frame 1"),
        ([[NAN, NAN], [3, 4], [5, 6]], "sequence 1, frame 0"),
        ([[1, 2], [3, NAN], [5, 6]], "sequence 1, frame 1"),
        ([[1, 2], [3, 4], [NAN, 6]], "sequence 1, frame 2"),
    ],
)
def test_nan_elsewhere_is_an_error_with_row_and_frame(row, place):
    with pytest.raises(ValueError, match=place):
        sequence_lengths(np.array([[[1, 2], [3, 4], [5, 6]], row]))


def test_sequences_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="Pad the shorter ones with trailing frames of NaN"):
        is_three_d([np.zeros((2, 3)), np.zeros((4, 3))])
