"""How the scores are made: the page of the documentation, there without a network."""

import streamlit as st

from histospace_core.shipped import SHIPPED

st.markdown((SHIPPED / "docs" / "scores.md").read_text("utf-8"), width=800)
