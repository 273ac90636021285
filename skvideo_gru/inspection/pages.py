"""Self-contained HTML pages from templates and figures."""

from __future__ import annotations

import base64
import io
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

#: Width of a figure for phones, in inches: it fits there at 0.7 of its size.
PHONE = 4.4


def render_page(template: str, **values: Any) -> str:
    """Render a template of this folder.

    Parameters
    ----------
    template : str
        File name of the template.
    **values : object
        Values of the template's variables; texts are escaped.

    Returns
    -------
    str
        The page.
    """
    environment = Environment(
        loader=PackageLoader("skvideo_gru", "inspection"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def encode_figure(figure: Figure, kind: str, dpi: int = 120) -> dict[str, Any]:
    """Encode a figure for a page.

    Parameters
    ----------
    figure : Figure
        The figure.
    kind : {"jpeg", "svg"}
        Format of the image.
    dpi : int, default=120
        Pixels per inch.

    Returns
    -------
    dict
        The image as a data URI, ``address``, and its ``width`` and ``height`` in CSS pixels.
    """
    file = io.BytesIO()
    options: dict[str, Any] = {"jpeg": {"pil_kwargs": {"quality": 80}}, "svg": {}}[kind]
    figure.savefig(file, format=kind, dpi=dpi, **options)
    mime = {"jpeg": "image/jpeg", "svg": "image/svg+xml"}[kind]
    content = base64.b64encode(file.getvalue()).decode("ascii")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return {"address": f"data:{mime};base64,{content}", "width": width, "height": height}
