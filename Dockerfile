# SPDX-License-Identifier: GPL-3.0-or-later
# The Debian package, built and installed in Debian 12:
#   docker build -t gr-jadce .
#   docker run --rm gr-jadce jadce-receive --pilots book.npz --simulate --antennas 4 --snr-db 15 --slots 200
FROM debian:bookworm-slim AS build
ENV DEBIAN_FRONTEND=noninteractive
WORKDIR /build/gr-jadce
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential fakeroot \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN apt-get update \
    && apt-get build-dep -y --no-install-recommends . \
    && dpkg-buildpackage -b -us -uc \
    && rm -rf /var/lib/apt/lists/*

FROM debian:bookworm-slim
ENV DEBIAN_FRONTEND=noninteractive
COPY --from=build /build/gr-jadce_*.deb /tmp/
# xterm: GNU Radio wants some terminal, and this one is small
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        /tmp/gr-jadce_*.deb libopenblas0-pthread python3-matplotlib python3-prometheus-client python3-tornado \
        python3-zmq uhd-host xterm \
    && rm -rf /var/lib/apt/lists/* /tmp/gr-jadce_*.deb \
    && useradd --create-home --uid 1000 jadce
USER 1000
WORKDIR /home/jadce
RUN jadce-pilots make --kind gaussian --devices 200 --length 64 --seed 1 -o book.npz
CMD ["jadce-receive", "--help"]
