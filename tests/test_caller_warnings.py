import warnings

from sklearn.utils import parallel

from skvideo_gru import caller_warnings


def in_library(*calls):
    """Call functions from a frame that belongs to scikit-learn."""
    namespace = vars(parallel) | {"calls": calls}
    exec(compile("for call in calls: call()", "library.py", "exec"), namespace)


def warning(message, **options):
    """A function of the package that warns."""
    namespace = vars(caller_warnings) | {"message": message, "options": options}
    return eval("lambda: warn_caller(message, **options)", namespace)


def test_a_warning_points_to_the_users_line():
    def user_function():
        in_library(warning("text"))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        user_function()
    line = in_library.__code__.co_firstlineno + 3
    assert caught[0].filename == __file__
    assert caught[0].lineno == line


def test_a_topic_is_reported_once_per_call():
    first = warning("first", topic="videos")
    second = warning("second", topic="videos", unless_reported=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            in_library(first, second)
        in_library(second)
        in_library(first)
        in_library(first)
    messages = [str(w.message) for w in caught]
    assert messages == ["first", "first", "second", "first", "first"]
