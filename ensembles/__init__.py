"""Votes over finished runs, one file for each; `ensembles.voting` computes them."""
