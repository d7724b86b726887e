# make demo, make test: both set everything up first, once.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/ready
# Of what pip says: wheels of 10 MB and more, and that it unpacks them.
SHOW := sed -un -E -e 's/^ *(Downloading|Using cached) (.*\/)?([A-Za-z0-9_]+)-.*\.whl \(([0-9]{2,}[0-9.]* MB)\)/  \3, \4/p' \
	-e 's/^Installing collected packages.*/unpacking all of them/p'

.PHONY: setup demo search-demo test test-long test-drawn check bench accuracy

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.13 with venv is missing; run: sudo apt-get install python3 python3-venv"; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing $$(grep -c == constraints.txt) packages into .venv: 4 GB, a few minutes; the large ones are"
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
		--constraint constraints.txt --editable '.[dev]'; echo $$? >.venv/ended; } | $(SHOW); \
		exit $$(cat .venv/ended)
	@touch $(STAMP)
	@echo "ready: .venv/bin/tagger --help"

demo: $(STAMP)
	$(BIN)/tagger demo --out demo

# The drawn catalog in a real Typesense, and a page in your browser to search it.
search-demo: $(STAMP)
	$(BIN)/python -m jobs.search_demo --out search-demo

# Two processes: what is killed, timed or on Ray in one, what needs TensorFlow in the other.
test: $(STAMP)
	@echo "Running the tests in two processes; what is long is left to make test-long."
	@$(BIN)/python -m pytest --quiet -n 2 --dist loadscope --no-loadscope-reorder

test-long: $(STAMP)
	@echo "Running every long test, one after another: about an hour."
	@$(BIN)/python -m pytest -m long -s --record-long

test-drawn: $(STAMP)
	@echo "Running long tests, of at most ten minutes together, drawn by the date."
	@$(BIN)/python -m pytest -m long --long-minutes 10

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m pytest -m benchmark -s

accuracy: $(STAMP)
	$(BIN)/python -m pytest -m accuracy -s
