# docker build -t entrepot .
# docker run -p 8081:8081 -v entrepot:/var/lib/entrepot entrepot
#
# BASE is any image with Python 3.11 or newer and its venv module. PIP_INDEX_URL names another package index.

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG PIP_INDEX_URL
WORKDIR /src
RUN python3 -m venv /opt/entrepot
COPY packaging/requirements.lock packaging/requirements.lock
RUN /opt/entrepot/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r packaging/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/entrepot/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && /opt/entrepot/bin/pip uninstall --yes --quiet setuptools pip

FROM ${BASE}
RUN groupadd --system --gid 981 entrepot \
 && useradd --system --uid 981 --gid entrepot --home-dir /var/lib/entrepot --no-create-home entrepot \
 && install -d -m 0700 -o entrepot -g entrepot /var/lib/entrepot
COPY --from=build /opt/entrepot /opt/entrepot
ENV PATH=/opt/entrepot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ENTREPOT_HOME=/var/lib/entrepot \
    ENTREPOT_HOST=0.0.0.0
USER entrepot
VOLUME /var/lib/entrepot
EXPOSE 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["entrepot", "ping"]
ENTRYPOINT ["entrepot"]
CMD ["serve"]
