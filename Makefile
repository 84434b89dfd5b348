# The short way to everything; CMake (CMakePresets.json) does the work.
#
# Each target first does what it needs: packages by apt, configuration, build.

PACKAGES := cmake ninja-build clang-22 lld-22 llvm-22-dev llvm-22-tools \
  libmlir-22-dev mlir-22-tools libclang-rt-22-dev clang-format-22 \
  clang-tidy-22 zlib1g-dev libzstd-dev libpcre2-dev python3-numpy python3-psutil \
  chromium
# What `make bench` compares with, and measures by.
BENCH_PACKAGES := libbenchmark-dev libdnnl-dev libopenblas-openmp-dev
# Parts of it: any of these, with commas between.
BENCH := kernels,models,batch,cost,memory
SOURCES = $(shell find dialect passes codegen runtime tools test -name '*.cpp' -o -name '*.h' -o -name '*.c')
# Folders of tests that also run with a compiler and a runtime under sanitizers.
SANITIZED := Tools Runtime
# What these need.
SANITIZED_TARGETS := modc mod-opt mod-reduce mod-lsp-server fake-model-code \
  fake-model-library runtime-tests
FUZZ_SECONDS := 600
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
MODEL := examples/kjv

.PHONY: help setup build sanitized demo test test-fast fuzz bench format tidy docs clean
.DEFAULT_GOAL := help

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

# $(call install,PACKAGES): those that are missing.
define install
	@missing=$$(for p in $(1); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed' || echo $$p; \
	done); \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -qy --no-install-recommends $$missing; \
	fi
endef

setup: ## Install the Debian packages that are missing
	$(call install,$(PACKAGES))

build/build.ninja: | setup
	cmake --preset release $(CMAKE_FLAGS)

build: build/build.ninja ## Build the compiler, its tools and the runtime into build/
	cmake --build build

# Newer than build/kjv only if the build really made it anew.
build/bin/modc: build ;

build/kjv: build/bin/modc $(wildcard $(MODEL)/*)
	build/bin/modc $(MODEL) -o $@ --report

demo: build/kjv ## Compile examples/kjv, let it write, and measure it
	build/kjv generate --prompt "In the beginning" -n 400 --temperature 0.8 --seed 7 --verbose
	build/kjv bench

build-sanitize/build.ninja: | setup
	cmake --preset sanitize $(CMAKE_FLAGS)

sanitized: build-sanitize/build.ninja ## Build what some tests need with sanitizers, into build-sanitize/
	cmake --build build-sanitize --target $(SANITIZED_TARGETS)

test: build sanitized ## Run all tests; the last line says how many passed
	test/run.py build/test $(SANITIZED:%=build-sanitize/test/%)

test-fast: build ## Run all tests but those under sanitizers
	test/run.py build/test

build-fuzz/build.ninja: | setup
	cmake --preset fuzz $(CMAKE_FLAGS)

fuzz: build-fuzz/build.ninja ## Feed random inputs to what reads files (FUZZ_SECONDS=600)
	cmake --build build-fuzz --target fuzzers
	/usr/bin/python3 test/Fuzz/fuzz.py --build build-fuzz --seconds $(FUZZ_SECONDS)

bench: build ## Measure everything against the machine and its libraries (BENCH=kernels: a part)
	$(call install,$(BENCH_PACKAGES))
	cmake --preset release $(CMAKE_FLAGS) >build/bench-cmake.log
	cmake --build build --target kernel-benchmarks
	/usr/bin/python3 test/Benchmarks/bench.py --build build --only $(BENCH)

format: setup ## Format all C++ as LLVM does
	clang-format-22 -i $(SOURCES)

tidy: build ## Check all C++ with clang-tidy
	run-clang-tidy-22 -quiet -p build $(filter %.cpp,$(SOURCES))

docs: build ## Write the reference pages in docs/ from TableGen
	cp build/docs/*.md docs/

clean: ## Remove everything that was built
	rm -rf build build-sanitize build-fuzz build-debug
