# Every target makes the environment it needs; PYTHON=python3.12 chooses another interpreter (3.11 or newer).
.DEFAULT_GOAL := help
.PHONY: help demo test ensemble sweep runs board augmentations clean

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV := .venv
PY := $(VENV)/bin/python
DEMO := RUNS=runs/demo $(PY)
DRAW := $(PY) -m core.people --out data/demo --people 300 --eval-people 100 --elderly 0.2

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/made: setup.cfg setup.py
	@test -n "$(PYTHON)" || { echo "mask18 needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(VENV)/made  ## draw a small competition, train v5 on it, vote, and score the submission (5 minutes on two cores)
	rm -rf data/demo
	$(DRAW)
	$(DEMO) kernels/v5_multitask/run.py --data data/demo --name demo --force --backbone lite0 --scale 0.3 --folds 3 --epochs 3 --lr 1e-3 --schedule cosine --age-old 60
	$(DEMO) ensembles/demo.py --force
	@printf '\nthe submission, against the answers that the generator kept:\n'
	@$(PY) -m core.score submissions/demo.csv data/demo/answers.csv
	@printf '\nlook at  runs/demo/v5_multitask/demo/report/*.png  submissions/demo.csv\nor type  make board RUNS=runs/demo\n'

test: $(VENV)/made  ## check the style and the types, then run the tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2

ensemble: $(VENV)/made  ## vote: make ensemble NAME=final [FORCE=1]
	@test -f "ensembles/$(NAME).py" || { echo "make ensemble: NAME=$(NAME) is none of: $(basename $(notdir $(wildcard ensembles/*.py)))" >&2; exit 2; }
	@$(PY) ensembles/$(NAME).py $(if $(FORCE),--force)

sweep: $(VENV)/made  ## train a table of runs: make sweep TABLE=sweep.csv [DATA=DIR] [JOBS=N] [CLUSTER=tcp://host:port]
	@$(PY) -m core.sweep $(or $(TABLE),sweep.csv) $(if $(DATA),--data $(DATA)) $(if $(JOBS),--jobs $(JOBS)) $(if $(CLUSTER),--cluster $(CLUSTER)) $(FLAGS)

runs: $(VENV)/made  ## list the runs and their out-of-fold scores
	@$(PY) -m core.runs

board: $(VENV)/made  ## open the runs' curves in TensorBoard
	$(VENV)/bin/tensorboard --logdir $(or $(RUNS),runs)

augmentations: $(VENV)/made  ## draw what each augmentation does to one face: docs/augmentations.jpg
	test -d data/demo || $(DRAW)
	$(PY) -m core.gallery augmentations data/demo docs/augmentations.jpg

clean:  ## remove what can be made again: the environment, the decoded stores and the demo
	rm -rf $(VENV) .cache data/demo runs/demo *.egg-info
