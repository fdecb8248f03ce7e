"""The pages' templates: values are escaped, and one that a page forgets is an error."""

from typing import Any

import jinja2

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("stochsim.report", "pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(name: str, **values: Any) -> str:
    """The page of this template, as HTML text."""
    return _TEMPLATES.get_template(name).render(**values)
