"""Parameters of the featurizer, as benchmarks take them on the command line."""

import json
from contextlib import suppress


def features_options(texts: tuple[str, ...]) -> dict[str, object]:
    """Read ``name=value`` as parameters of the pipeline's step ``features``.

    A value is a number, true, false, or else text.
    """
    options: dict[str, object] = {}
    for text in texts:
        name, value = text.split("=", 1)
        options[f"features__{name}"] = value
        with suppress(ValueError):
            options[f"features__{name}"] = json.loads(value)
    return options
