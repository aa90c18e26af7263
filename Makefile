# make book    the executed course as HTML: prints the path of its first page
# make test    unit tests, every notebook, the built pages, style
# make colab   three chapters with the versions that Google Colab ships
# make lab     JupyterLab in book/
# make serve   the built pages on http://127.0.0.1:8000
# make clean   removes what these made here (the photos in your cache folder stay)
#
# make TORCH=cpu book    the same with torch for the CPU alone: on Linux 0.7 GB where the usual one, with CUDA, has 5.3.
#                        It counts where torch is not installed yet: `make clean` first to go from one to the other.

PYTHON ?= python3
TORCH ?=
PORT ?= 8000
BIN := .venv/bin

.PHONY: book test colab lab serve clean

book: .venv/ready
	$(BIN)/python book/build.py

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff format --check --config pyproject.toml book/*.py
	$(BIN)/python book/build.py --strict
# Two processes of two threads each would fight. In the files' order JupyterLab, one long test, begins early, not last.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

colab: .venv/ready
	$(BIN)/python tests/colab.py

lab: .venv/ready
	$(BIN)/jupyter lab book

serve: book
	@echo "The book is on http://127.0.0.1:$(PORT) - stop it with Ctrl-C."
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory build/html

# The stamp comes last: an installation that was interrupted is done again.
.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("The course needs Python 3.10 or newer; name one: make PYTHON=python3.12 book" if sys.version_info < (3, 10) else 0)'
	@echo "Installing into .venv: a few minutes, and some 6 GB where torch comes with CUDA (with TORCH=cpu: less than 2)."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH),@$(BIN)/python -m pip install --quiet torch torchvision --index-url https://download.pytorch.org/whl/$(TORCH))
	@$(BIN)/python -m pip install --quiet --editable '.[book,test]'
	@touch $@

clean:
	rm -rf build .venv
