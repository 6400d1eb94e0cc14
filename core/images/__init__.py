"""Pixels: each file is decoded once into a store, training rows are augmented by seed, batches reach the device in
time. Training, held-out and test rows are prepared alike."""
