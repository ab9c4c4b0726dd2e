# Two images of one program: every node has the agent's, so neither the cloud's SDK nor the
# Kubernetes client, which are nine tenths of the controller's, may be in it.
#
#   docker build --target agent -t havip-agent .
#   docker build --target controller -t havip-controller .
#
# BASE is any image of Debian 12 with apt; `make image` makes one from Debian packages alone.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS python
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
ARG SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV UV_PROJECT_ENVIRONMENT=/opt/havip UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy UV_SYSTEM_CERTS=true PIP_CERT=${SSL_CERT_FILE} PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends python3-venv \
    && python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet "uv>=0.8,<1"
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY operator operator
# Compiled here, because to import the SDK from its sources takes longer than a replica may take to
# start, and on a root file system that cannot be written it would be so at each start. Not checked
# against the sources, since nobody changes them and the times of files do not survive every builder.
RUN printf '%s\n' '#!/bin/sh' 'set -e' \
    '/opt/uv/bin/uv sync --quiet --locked --no-dev --no-editable "$@"' \
    '/opt/havip/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/havip/lib' \
    > /opt/install && chmod +x /opt/install

FROM build AS build-agent
RUN /opt/install --extra agent

FROM build AS build-controller
RUN /opt/install --extra controller --extra simcloud

# Root, because only root has the capabilities that a pod adds; the chart leaves it two of them.
FROM python AS agent
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends libnftables1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build-agent /opt/havip /opt/havip
ENV PATH=/opt/havip/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["havip"]
CMD ["agent"]

FROM python AS controller
COPY --from=build-controller /opt/havip /opt/havip
ENV PATH=/opt/havip/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["havip"]
CMD ["controller"]
