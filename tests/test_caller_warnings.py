import warnings

from sklearn.utils import parallel

from skvideo_gru import caller_warnings


def in_library(*calls):
    """Call functions from a frame that belongs to scikit-learn."""
    namespace = vars(parallel) | {"calls": calls}
    exec(compile("for call in calls: call()", "library.py", "exec"), namespace)


def warning(message):
    """A function of the package that warns."""
    return eval("lambda: warn_caller(message)", vars(caller_warnings) | {"message": message})


def test_a_warning_points_to_the_users_line():
    def user_function():
        in_library(warning("text"))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        user_function()
    line = in_library.__code__.co_firstlineno + 3
    assert caught[0].filename == __file__
    assert caught[0].lineno == line
