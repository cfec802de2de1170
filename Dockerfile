FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HISTOSPACE_STORE=/data

# Pango sets the type of PDF reports.
RUN apt-get update && apt-get install -y --no-install-recommends libpango-1.0-0 \
    libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 histospace \
    && mkdir /data && chown histospace /data
WORKDIR /app

COPY requirements.txt pyproject.toml README.md ./
RUN pip install -r requirements.txt
COPY app.py ./
COPY .streamlit .streamlit
COPY pages pages
COPY docs/scores.md docs/leaderboard.csv docs/
COPY models models
COPY data data
COPY histospace_core histospace_core
RUN pip install --no-deps -e .

USER histospace
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address", "0.0.0.0"]
