# `make demo` runs the main job on embedded defaults; `make test` runs every test. See README.md.
.PHONY: help deps tensorflow build demo test bench bench-micro lint clean
.DEFAULT_GOAL := help

DEMO ?= fraud

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

deps: ## install what is missing (says what), fetch the ONNX Runtime library into .deps
	Scripts/install-dependencies

tensorflow: ## fetch TensorFlow's C library (850 MB) into .deps, for 'provider' = 'savedmodel'
	Scripts/fetch-tensorflow

build: deps ## release build: .build/release/millrace
	swift build -c release --product millrace

demo: build ## a live pipeline on an embedded broker and a private PostgreSQL: make demo DEMO=baby_weight
	@if [ "$(DEMO)" = flights ]; then Scripts/fetch-flights; fi
	.build/release/millrace demo $(DEMO)

test: ## every test, integration included
	Scripts/install-dependencies --tests
	Scripts/test

bench: build ## latency, throughput, start-up, memory from Kafka to PostgreSQL: make bench BENCH='--rates 5000 --seconds 10'
	swift run -c release --package-path Benchmarks --disable-build-manifest-caching bench $(BENCH)

bench-micro: deps ## the steps of the hot path: time, instructions, allocations; fails when one costs more than its baseline
	swift run -c release --package-path Benchmarks --disable-build-manifest-caching micro $(BENCH)

lint: ## format check and the Docker files
	Scripts/lint

clean: ## remove build products and fetched libraries
	rm -rf .build .deps Benchmarks/.build
