"""Controlled studies: what is claimed of the kernels, measured over seeds and people. `make study NAME=report`.

A study (report.py, backbones.py) is a table of arms, each one factor away from another arm, and of claims about them.
What is kept of each run lies in docs/studies/NAME/, so that page and verdicts can be made again without training.
"""
