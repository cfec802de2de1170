"""How the scores are made: the documentation page, which ships with the app."""

import streamlit as st

from histospace_core.shipped import SHIPPED

st.markdown((SHIPPED / "docs" / "scores.md").read_text("utf-8"), width=800)
