"""ASGI entry point: `streamlit run app.py` serves the pages and the server routes on one port."""

import streamlit as st

from histospace_core.server import lifespan, routes

app = st.App("pages/home.py", routes=routes(), lifespan=lifespan)
