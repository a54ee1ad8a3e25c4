# Naja's front door. `make help' lists what it does.
BUILD := build
GIVEN := $(abspath $(BUILD))/given
NAJA := $(BUILD)/bin/naja
T ?=
P ?=
B ?=
REF ?= python3.14

.PHONY: help run test check regrtest blog compat bench pgo install uninstall build setup clean
help:
	@echo 'make run                 set up, build, run examples/tour.py'
	@echo 'make test                set up, build, run all tests'
	@echo 'make check T=dict        only the tests/py programs whose path contains T'
	@echo 'make regrtest [T="test_dict test_list"]   regression tests of CPython 3.14'
	@echo 'make compat REF=PYTHON [P="lxml numpy"]   wheels from the package index, Naja against a CPython 3.14'
	@echo 'make pgo                 builds once more, guided by a profile (start-up 6 %, loops 2 % faster)'
	@echo 'make install PREFIX=DIR  a relocatable tree with program, library, headers, libpython'
	@echo 'make uninstall PREFIX=DIR   removes it again'
	@echo 'make bench REF=PATH [B="richards nbody"]   speed against a CPython 3.14 (bench/README.md)'
	@echo 'make blog                try the blog of examples/blog (mariadb-server, package index)'
	@echo 'make clean               remove the build'

setup:
	@bash tools/setup.sh $(BUILD)

build: setup
	@sh tools/build.sh $(BUILD)

run: build
	@$(NAJA) examples/tour.py

test: build
	@sh tests/run.sh $(abspath $(NAJA))

check: build
	@python3 tools/testrun.py $(abspath $(NAJA)) tests/py $(T)

regrtest: build
	@python3 tools/regr.py $(abspath $(NAJA)) --units "$(T)"

blog: build
	@$(NAJA) -m venv $(BUILD)/blog && $(BUILD)/blog/bin/python -m pip install -q aiohttp aiomysql 'pymysql<1.2' jinja2 markdown
	@PYTHON=$(BUILD)/blog/bin/python sh examples/blog/check.sh

compat: build
	@python3 tools/compat.py $(abspath $(NAJA)) $(REF) --table docs/compatibility.md $(P)

pgo: build
	@sh tools/pgo.sh $(BUILD)

install: build
	@sh tools/install.sh $(BUILD) "$(PREFIX)"

uninstall:
	@sh tools/uninstall.sh "$(PREFIX)"

bench: build
	@python3 bench/run.py --naja $(NAJA) --ref $(REF) --work $(abspath $(BUILD))/bench \
		--names "$(B)" $(if $(PYPY),--pypy $(PYPY)) $(if $(ALL),--all) $(BENCH_OPTIONS)

clean:
	rm -rf $(BUILD)/meson $(BUILD)/bin $(BUILD)/lib $(BUILD)/include
