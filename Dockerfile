FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN .ci/install /opt/lead-router

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="lead-router" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --home-dir /data --create-home lead-router
COPY --from=build /opt/lead-router /opt/lead-router
ENV PATH="/opt/lead-router/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LEAD_ROUTER_LISTEN_HOST=0.0.0.0
USER 10001
WORKDIR /data
EXPOSE 8380
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8380/livez', timeout=2)"]
ENTRYPOINT ["lead-router"]
CMD ["serve"]
