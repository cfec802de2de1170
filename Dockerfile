FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HISTOSPACE_STORE=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0

# PDF reports need Pango for their text.
RUN apt-get update && apt-get install -y --no-install-recommends libpango-1.0-0 \
    libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 histospace \
    && mkdir /data && chown histospace /data
WORKDIR /app

COPY requirements.txt ./
RUN pip install --no-deps --require-hashes -r requirements.txt
# The wheel holds all that ships; the sources need not stay.
COPY . /tmp/histospace
RUN pip install --no-deps --no-build-isolation /tmp/histospace && rm -r /tmp/histospace

USER histospace
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
CMD ["histospace", "serve"]
