# Millrace in a container. Build: docker build -t millrace .
FROM swift:6.1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends librdkafka-dev libpq-dev libsimdjson-dev pkg-config \
        python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN swift build -c release --product millrace --static-swift-stdlib && Scripts/fetch-onnxruntime

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends librdkafka1 libpq5 libsimdjson14 libcurl4 libstdc++6 ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/.build/release/millrace /usr/local/bin/millrace
COPY --from=build /src/.deps/onnxruntime /usr/local/lib/millrace
COPY pipelines /usr/local/share/millrace/pipelines
USER 65534:65534
WORKDIR /usr/local/share/millrace
ENTRYPOINT ["millrace"]
