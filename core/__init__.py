"""What kernels share: a ground floor of files that everything may use, and a folder for each role.

Folders that decide what a run finds:
    data       rows in a fixed order, assigned to folds by person
    images     decoded once, augmented with a seed of their own, prefetched
    nets       what a kernel builds with: backbones, losses, optimizers
    runs       the run on disk
    training   one fold of one kernel, from rows to probabilities
Folders that only look on, so that no change in them changes a run's numbers:
    launch     folds, GPUs and machines; sweeps; predictions
    reports    what finished runs show people
    people     draws a competition of invented people
    kaggle     a run trained on Kaggle's machines and brought back
"""
