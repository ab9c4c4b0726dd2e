# Thin on purpose: each target is one command you could type yourself once `make setup` has run.
PYTHON ?= python3
SETUP  := $(PYTHON) e2e/setup.py
IN     := .venv/bin
ARGS   ?=
SEEDS  ?= 2000

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e rights lint sim sim-cloud scale image audit lab cluster lab-down crds \
	chart policies metrics dashboard

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what this machine lacks: virtual environment, Debian packages, control plane
	@$(SETUP) environment system controlplane helm

demo: setup ## Watch a HaVip live through an instance's death and an API outage, in a minute
	@PYTHONPATH=e2e $(IN)/python -m demo $(ARGS)

test: setup ## Run all tests; ARGS="-k name" picks some
	@$(SETUP) prometheus monitoring
	@$(IN)/pytest $(ARGS)

e2e: setup ## Install, hurt, upgrade and remove the operator on a whole cluster, in 5 to 10 minutes
	@$(SETUP) cluster
	@PYTHONPATH=e2e $(IN)/python -m rehearsal $(ARGS)

rights: setup ## Take each rule of the chart's away in turn, and see something refused; 5 minutes
	@$(IN)/pytest -m slow tests/chart $(ARGS)

lint: ## Check style, types and which package may import which
	@$(SETUP) environment
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy operator e2e tests
	$(IN)/lint-imports

sim: ## Run the election through SEEDS=n random schedules; REPLAY=seed prints one step by step
	@$(SETUP) environment
	@PYTHONPATH=operator:. $(IN)/python -m tests.election.simulate --seeds $(SEEDS) $(if $(REPLAY),--replay $(REPLAY)) $(ARGS)

sim-cloud: ## Let the controller die, and the cloud fail it, at every call; REPLAY=life:call:fault prints one
	@$(SETUP) environment
	@PYTHONHASHSEED=0 PYTHONPATH=operator:. $(IN)/python -m tests.lives $(if $(REPLAY),--replay "$(REPLAY)") $(ARGS)

scale: setup ## Have fifty HaVips made; compare the time with the least it can take, and weigh the controller
	@PYTHONPATH=operator:e2e:. $(IN)/python -m tests.controller.scale $(ARGS)
	@PYTHONPATH=operator:e2e:. $(IN)/python -m tests.controller.footprint

image: ## Build the images of agent and controller here, without a registry, as root
	@$(SETUP) environment images
	@PYTHONPATH=e2e $(IN)/python -m lab.images

audit: ## List what the images are made of (SBOM) and look for known holes in it; needs a network
	@PYTHONPATH=e2e $(PYTHON) -m audit

lab: setup ## Start a cluster on this machine that stays up, and print what to try
	@PYTHONPATH=e2e $(IN)/python -m lab.standing lab

cluster: setup ## Start a whole cluster that stays up, without the operator: install it yourself
	@$(SETUP) cluster
	@PYTHONPATH=e2e $(IN)/python -m lab.standing cluster

lab-down: ## End what `make lab` or `make cluster` started
	@PYTHONPATH=e2e $(IN)/python -m lab.standing down

crds: ## Write crds/*.yaml anew from the models in havip.api
	@$(SETUP) environment
	@$(IN)/havip crds --output crds
	@$(IN)/havip crds --output charts/havip-operator/files/crds

chart: ## Lint the chart and write its README.md anew from values.yaml
	@$(SETUP) environment helm
	@PYTHONPATH=e2e $(IN)/python -m lab.chart

policies: ## Write docs/ram/*.json anew from the table in havip.cloud.actions
	@$(SETUP) environment
	@$(IN)/havip policy --output docs/ram

metrics: ## Write docs/metrics.md anew from the tables in measures.py
	@$(SETUP) environment
	@$(IN)/havip metrics > docs/metrics.md

dashboard: setup ## Ask the dashboard's queries of a Prometheus that scraped a lab, and draw the answers
	@$(SETUP) prometheus
	@PYTHONPATH=e2e $(IN)/python -m lab.dashboard --picture docs/images/dashboard.png
