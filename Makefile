# Short names for what run.py does; nothing happens only here.

help:          ## list the commands
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:[^#]*##/\t/' | expand -t 16

run:           ## start the whole system on http://127.0.0.1:8080
	python3 run.py

test:          ## all checks and tests
	python3 run.py test

lint:          ## the checks that need no database
	python3 run.py lint

bench:         ## measure
	python3 run.py bench

requirements:  ## pin anew what requirements*.in ask for (needs uv)
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

COMPILE = uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header

.PHONY: help run test lint bench requirements
