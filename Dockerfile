# docker build -t entrepot . && docker run -p 8081:8081 -v entrepot:/var/lib/entrepot entrepot
FROM python:3.13-slim AS build
COPY requirements.lock pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN python -m venv /opt/entrepot \
 && /opt/entrepot/bin/pip install --no-cache-dir /src

FROM python:3.13-slim
COPY --from=build /opt/entrepot /opt/entrepot
RUN useradd --system --home-dir /var/lib/entrepot --create-home entrepot
USER entrepot
VOLUME /var/lib/entrepot
EXPOSE 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/entrepot/bin/entrepot"]
CMD ["serve", "--home", "/var/lib/entrepot", "--host", "0.0.0.0", "--port", "8081"]
