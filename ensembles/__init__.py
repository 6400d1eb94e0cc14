"""Votes over finished runs, a file each; `ensembles.voting` counts them."""
