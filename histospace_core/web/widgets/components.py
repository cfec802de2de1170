"""The app's Streamlit components, registered once per runtime from the files in `static`."""

from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit import runtime

from histospace_core.server.assets import STATIC, asset_url

# Keyed by runtime, because a process may start several, as tests do.
_registered: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def component(name: str, *, module: str | None = None) -> Any:
    """Return the function that mounts the component `static/<name>.{html,css,js}`.

    It is registered on first use, because there is no runtime at import.

    Parameters
    ----------
    name
        Path of the files in `static`, without their suffix.
    module
        Script in `static` to load instead of `<name>.js`; it may import other scripts.
    """
    components = _registered.setdefault(runtime.get_instance(), {})
    if name not in components:
        html, css = (_text(f"{name}.{kind}") for kind in ("html", "css"))
        js = _text(f"{name}.js") if module is None else _loader(asset_url(module))
        label = f"histospace.{Path(name).name}"
        components[name] = st.components.v2.component(label, html=html, css=css, js=js)
    return components[name]


@cache
def _text(path: str) -> str:
    return (STATIC / path).read_text("utf-8")


def _loader(url: str) -> str:
    """Return an inline script that loads the one at `url`, so that relative imports resolve."""
    return (
        f'const module = new URL("{url}", document.baseURI).href;\n'
        "export default async (mounted) => (await import(module)).default(mounted);\n"
    )
