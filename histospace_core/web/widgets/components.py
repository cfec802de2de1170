"""Our Streamlit components: registered once in each runtime, from the files in `static`."""

from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit import runtime

from histospace_core.server.assets import STATIC, asset_url

_registered: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def component(name: str, *, module: str | None = None) -> Any:
    """Return what mounts the component `static/<name>.{html,css,js}`; there is none at import.

    Parameters
    ----------
    name
        Path of its files without their ending.
    module
        A script in `static` to load in place of `<name>.js`; it may import others beside it.
    """
    known = _registered.setdefault(runtime.get_instance(), {})
    if name not in known:
        html, css = (_text(f"{name}.{kind}") for kind in ("html", "css"))
        js = _text(f"{name}.js") if module is None else _loader(asset_url(module))
        label = f"histospace.{Path(name).name}"
        known[name] = st.components.v2.component(label, html=html, css=css, js=js)
    return known[name]


@cache
def _text(path: str) -> str:
    return (STATIC / path).read_text("utf-8")


def _loader(url: str) -> str:
    """Return a script that hands over to one at `url`: an inline one has no address of its own."""
    return (
        f'const module = new URL("{url}", document.baseURI).href;\n'
        "export default async (mounted) => (await import(module)).default(mounted);\n"
    )
