# One image per process, all from one environment that is exactly the lock file's:
#   docker build --target feed --tag registry.example.com/paceline/feed:0.1.0 .
# Targets: gateway, feed, replicator, executor, risk, migrate, and simulator for trials. They share every layer but the entry point.
# A pipeline that pins by digest passes it whole: --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.11.15-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.8
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/paceline \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
WORKDIR /src
# What others wrote changes seldom: a layer of its own.
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --locked --no-dev --no-install-project
COPY paceline paceline
COPY services services
COPY simulator simulator
COPY benchmarks benchmarks
COPY chaos chaos
RUN uv sync --locked --no-dev --no-editable

# Runs with a read-only root: bytecode is compiled above, and only /tmp is written to.
FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="paceline" \
      org.opencontainers.image.description="Copy trading: every order of a leader mirrored to thousands of followers, exactly once"
RUN pip uninstall --yes --root-user-action=ignore pip setuptools wheel
COPY --from=build /opt/paceline /opt/paceline
ENV HOME=/tmp \
    PATH=/opt/paceline/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
STOPSIGNAL SIGTERM
USER 65532:65532

FROM runtime AS gateway
EXPOSE 50051 9464
ENTRYPOINT ["paceline-gateway"]

FROM runtime AS feed
EXPOSE 50051 9464
ENTRYPOINT ["paceline-feed"]

FROM runtime AS replicator
EXPOSE 50051 9464
ENTRYPOINT ["paceline-replicator"]

FROM runtime AS executor
EXPOSE 50051 9464
ENTRYPOINT ["paceline-executor"]

FROM runtime AS risk
EXPOSE 50051 9464
ENTRYPOINT ["paceline-risk"]

FROM runtime AS migrate
ENTRYPOINT ["paceline", "migrate"]

# A broker to try it against; no part of a release.
FROM runtime AS simulator
EXPOSE 9800 9801
ENTRYPOINT ["paceline-simulator"]
