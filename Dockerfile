# docker build -t bulkhead .
# docker run --network host --stop-timeout 120 -v ./config.yaml:/etc/bulkhead/config.yaml bulkhead
#
# It runs as a user of its own, who may write in /var/lib/bulkhead: name cdr.file
# and key_file there.
#
# Without a registry: deploy/images makes both base images from this machine.
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${GO_IMAGE} AS build
ARG GOPROXY=
ARG GOFLAGS=
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -buildvcs=false -ldflags "-s -w" -o /out/bulkhead ./cmd/bulkhead

FROM ${BASE_IMAGE}
RUN useradd --system --uid 65532 --create-home --home-dir /var/lib/bulkhead --shell /usr/sbin/nologin bulkhead && \
    install -d -o bulkhead -g bulkhead /run/bulkhead /var/lib/bulkhead/cluster
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bulkhead /bulkhead
USER bulkhead
WORKDIR /var/lib/bulkhead
EXPOSE 5060/udp 5060/tcp 5061/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/bulkhead", "ping", "/etc/bulkhead/config.yaml"]
ENTRYPOINT ["/bulkhead"]
CMD ["serve", "/etc/bulkhead/config.yaml"]
