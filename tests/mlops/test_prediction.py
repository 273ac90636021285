import pytest
from sklearn.ensemble import VotingClassifier

from skvideo_gru import VideoDecodeError, make_video_classifier
from skvideo_gru.mlops.prediction import predict_each


def test_a_broken_video_gets_no_answer_even_where_training_went_on(colour_clips, broken_clip):
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
        if model is pipe:  # elsewhere it means what it says
            with pytest.warns(UserWarning, match="1 of 3 videos cannot be read"):
                pipe["features"].transform(given)
            assert len(pipe["features"].failed_) == 1
