"""The Streamlit side of the app: a folder for each page, and `widgets` for what pages share."""
