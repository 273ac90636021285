"""Models outside the process that fitted them: saving, MLflow, serving."""

from typing import Any

import lazy_loader

_import, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Import a name when it is first used; MLflow is optional."""
    try:
        return _import(name)
    except ModuleNotFoundError as error:
        if error.name != "mlflow":
            raise
        raise ModuleNotFoundError(
            "MLflow is not installed. Install it with pip install 'skvideo-gru[mlflow]'.",
            name=error.name,
        ) from error
