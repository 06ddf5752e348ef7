"""The report as one HTML file that needs nothing else: style, Plotly and data are inside it.

Transcripts are untrusted text: Jinja2 escapes everything, data for scripts is JSON in which no tag can start, and a
content security policy lets only this file's own two scripts run (by hash) and nothing be fetched or sent. Styles
stay `unsafe-inline` because Plotly writes them; they cannot reach outside either.

Not covered: tables sort and filter nothing, and there is no server; `golddiff show ID` goes deeper.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from golddiff import __version__
from golddiff.errors import InputError
from golddiff.web import plots, words
from golddiff.web.summary import Report


def write(report: Report, path: Path) -> None:
    """Write the page to `path`, replacing it only when it is complete.

    Raises:
        InputError: the folder does not exist or cannot be written.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(render(report), "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}. Give another --html FILE in a folder that exists."
        ) from error


def render(report: Report) -> str:
    """Return the whole page."""
    figures = plots.figures(report)
    library = _plotly() if figures else ""
    script = _text("report.js") if figures else ""
    template = _environment().get_template("report.html.j2")
    return template.render(
        report=report,
        words=words,
        version=__version__,
        style=Markup(_text("report.css")),  # noqa: S704  our own file
        library=Markup(library),  # noqa: S704  Plotly's own file
        script=Markup(script),  # noqa: S704  our own file
        figures=set(figures),
        data=_json(figures),
        policy=_policy(library, script),
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("golddiff.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return resources.files("golddiff.web").joinpath("templates", name).read_text("utf-8")


@lru_cache(maxsize=1)
def _plotly() -> str:
    """Plotly's script, out of the installed package."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")


def _json(data: Any) -> Markup:
    """JSON that is safe inside a script element: no `<`, so no tag or comment can start in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  escaped just above


def _policy(*scripts: str) -> str:
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
        for script in scripts
        if script
    ]
    return (
        f"default-src 'none'; script-src {' '.join(hashes) or chr(39) + 'none' + chr(39)}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
