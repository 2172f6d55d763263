# `make demo` and `make test` set up what they need; nothing else has to be typed first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check format test-all mutants bench pictures docs clean

setup: .venv/.ready

# Everything comes from the package index: torch and torchvision as a matching pair among it.
.venv/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or later is needed; this one is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/reidaug demo --out runs/demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/check_results.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: check
	$(BIN)/python -m pytest -n 2

test-all: check
	$(BIN)/python -m pytest -n 2 -m 'not gpu'

# How many small faults the tests notice, in a sample of each room; one process. Reasons of survivors:
# benchmarks/mutant_reasons.yaml.
mutants: setup
	$(BIN)/python benchmarks/mutants.py

# In this order: another_world takes up the demo's flow, and readme, the last, writes down what all found.
# Others need photographs, as photographs.py does, or a GPU, as gpu_tables.py.
BENCHMARKS := render_rate augment_rate transform_rate onnx_rate play_latency evaluator_rate neighbours rerank joint_statistics demo warp_quality \
	quality_pictures skeleton_floor another_world drawing_task task_balance learning_rates tables sizes checkpoint surface_flow surface_pictures round_trip crops_at_once domains table5 warps_only table5_uda \
	low_data

bench: setup
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/round_trip.py --turns mirror
	$(BIN)/python benchmarks/round_trip.py --estimated
	$(BIN)/python benchmarks/another_world.py --flow market --seed 1 --seeds 5
	$(BIN)/reidaug synth pairs --out runs/market-pairs --people 1500 --test-people 60 --cut 0.15 --seed 7
	$(BIN)/python benchmarks/pose_errors.py runs/market-pairs
	$(BIN)/python benchmarks/second_tries.py runs/market-pairs
	$(BIN)/python benchmarks/readme.py

# Screenshots in the documentation, of the page of `play` and of a study of the demo's people;
# Chromium must be on the path.
pictures: demo
	rm -rf runs/pictured-study
	$(BIN)/reidaug study new runs/demo/few-poses/warps_grey runs/demo/few-poses/affine_grey --out runs/pictured-study
	$(BIN)/python benchmarks/study_picture.py runs/pictured-study
	$(BIN)/python benchmarks/play_picture.py

# The documentation as a site that needs no server: open runs/site/index.html.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file website/mkdocs.yml
	@echo runs/site/index.html

clean:
	rm -rf .venv runs
