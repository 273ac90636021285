import pytest
from sklearn.ensemble import VotingClassifier

from skvideo_gru import VideoDecodeError, make_video_classifier
from skvideo_gru.mlops.prediction import predict_each


def test_an_unreadable_video_has_an_error_even_with_on_error_nan(colour_clips, broken_clip):
    videos, y = colour_clips
    pipe = make_video_classifier(
        random_state=0,
        features__n_frames=2,
        features__frame_size=32,
        features__max_epochs=0,
        features__on_error="nan",
        gru__max_epochs=1,
    )
    given = [videos[0], str(broken_clip), videos[1]]
    for model in (pipe, VotingClassifier([("a", pipe)], voting="soft")):
        model.fit(videos, y)
        first, error, third = predict_each(model, given)
        assert isinstance(error, VideoDecodeError)
        assert error.path == str(broken_clip)
        assert first.shape == third.shape == (len(set(y)),)
        if model is pipe:  # outside predict_each, on_error="nan" still applies
            with pytest.warns(UserWarning, match="1 of 3 videos cannot be read"):
                pipe["features"].transform(given)
            assert len(pipe["features"].failed_) == 1
