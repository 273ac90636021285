"""Packages that the optional extras install."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_extra(package: str, *, extra: str, purpose: str) -> Any:
    """Import a package that an extra installs.

    Parameters
    ----------
    package : str
        The package or module, for example ``"safetensors.torch"``.
    extra : str
        The extra that installs it.
    purpose : str
        What requires it.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ImportError
        If it is not installed. The message names the extra.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{purpose} requires the package {package.partition('.')[0]}. Install it with "
            f"pip install 'skvideo-gru[{extra}]'."
        ) from error
