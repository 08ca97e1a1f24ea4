# syntax=docker/dockerfile:1
# One image for GPU and CPU hosts: the CUDA libraries come inside the torch wheel.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/maskd
ENV PATH=/opt/maskd/bin:$PATH
WORKDIR /src
# The dependencies alone first: a change of our own code reuses this layer.
COPY pyproject.toml constraints.txt ./
RUN mkdir service models \
    && touch README.md LICENSE NOTICE service/__init__.py models/__init__.py \
    && pip install --constraint constraints.txt . \
    && pip uninstall --yes maskd
COPY README.md LICENSE NOTICE ./
COPY models ./models
COPY service ./service
RUN pip install --constraint constraints.txt --no-deps . \
    && pip uninstall --yes pip

FROM python:${PYTHON_VERSION}-slim
# Triton, which comes with torch, compiles its part of a kernel for the GPU that it finds.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home maskd \
    && install --directory --owner=maskd /weights /sessions
COPY --from=build /opt/maskd /opt/maskd
ENV PATH=/opt/maskd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MASKD_HOST=0.0.0.0 \
    MASKD_PORT=8000 \
    MASKD_LOG_FORMAT=json \
    MASKD_WEIGHTS_DIR=/weights
USER 10001
WORKDIR /home/maskd
VOLUME /weights /sessions
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['MASKD_PORT']}/readyz\", timeout=2)"]
CMD ["maskd", "serve"]
