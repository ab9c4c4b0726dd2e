# Two images of one program. What every node pulls has neither the cloud's SDK nor the Kubernetes
# client in it, which are four fifths of what the controller needs.
#
#   docker build --target agent -t havip-agent .
#   docker build --target controller -t havip-controller .
#
# BASE is any image of Debian 12 with apt; `make image` makes one from Debian packages alone.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS python
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM python AS build
ARG SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV UV_PROJECT_ENVIRONMENT=/opt/havip UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy UV_SYSTEM_CERTS=true UV_NO_DEV=true PIP_CERT=${SSL_CERT_FILE} \
    PATH=/opt/uv/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends python3-venv \
    && python3 -m venv /opt/uv && pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./

# Everything is compiled here: to do it at each start, on a root file system that cannot be written,
# takes longer than a replica may. The files are not compared with their sources, since nobody
# changes those and their times do not survive every builder.
FROM build AS build-agent
RUN uv sync --quiet --locked --no-install-project --extra agent \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/havip/lib
COPY operator operator
RUN uv sync --quiet --locked --no-editable --extra agent \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/havip/lib

FROM build AS build-controller
RUN uv sync --quiet --locked --no-install-project --extra controller --extra simcloud \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/havip/lib
COPY operator operator
RUN uv sync --quiet --locked --no-editable --extra controller --extra simcloud \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/havip/lib

# Root, because only root gets the capabilities that a pod adds; the chart leaves it two of them.
FROM python AS agent
RUN apt-get update --quiet \
    && apt-get install --quiet --yes --no-install-recommends libnftables1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
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
