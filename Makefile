# SPDX-License-Identifier: Apache-2.0
# One door; behind it only apt-get, meson, ninja, pytest and the tools in tools/, each printed.
.PHONY: build run test bench chaos ohif check fmt

build:
	tools/install-packages build
	tools/build-console
	test -f build/build.ninja || meson setup build -Dtests=$$(pkg-config --exists cmocka && echo true || echo false)
	ninja -C build

run: build
	tools/install-packages run
	tools/serve-samples

test:
	tools/install-packages test
	tools/build-console
	tools/run-tests $(SUITES)

bench: build
	tools/install-packages test
	ninja -C build bench-programs
	/usr/bin/python3 tests/bench/bench.py $(ARGS)

chaos:
	tools/install-packages test
	test -f build-failpoints/build.ninja || meson setup build-failpoints -Dfailpoints=true -Dwerror=true
	ninja -C build-failpoints corsia
	/usr/bin/python3 tests/integration/chaos.py $(ARGS)

ohif: build
	tools/install-packages test
	tools/ohif

check:
	tools/check-rooms
	tools/check-style
	git ls-files 'src/*.[ch]' 'src/*.cc' 'tests/*.[ch]' | xargs clang-format --dry-run -Werror

fmt:
	git ls-files 'src/*.[ch]' 'src/*.cc' 'tests/*.[ch]' | xargs clang-format -i
