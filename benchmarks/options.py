"""Command-line parsing of featurizer parameters for the benchmarks."""

import json
from contextlib import suppress


def features_options(texts: tuple[str, ...]) -> dict[str, object]:
    """Parse ``name=value`` texts into parameters of the pipeline step ``features``.

    A value is a number, true or false; all other values are strings.
    """
    options: dict[str, object] = {}
    for text in texts:
        name, value = text.split("=", 1)
        options[f"features__{name}"] = value
        with suppress(ValueError):
            options[f"features__{name}"] = json.loads(value)
    return options
