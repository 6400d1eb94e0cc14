"""Pixels: each file is decoded once into a store, loader.py makes batches and augments training rows by seed, and
batches reach the device in time. Training, held-out and test rows are prepared alike."""
