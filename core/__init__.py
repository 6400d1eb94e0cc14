"""What kernels share: a ground floor of files that everything may use, and a folder for each role.

Folders that decide what a run finds:
    data       rows in a fixed order, assigned to folds by person
    images     decoded once, augmented by seed, on the device in time
    nets       what a kernel builds with: backbones, losses, optimizers
    runs       the run on disk
    training   one fold of one kernel, from rows to probabilities
Folders that only look on, so that no change in them changes a run's numbers:
    launch     who trains which fold where
    reports    what finished runs show people
    people     a competition that anyone may have
    kaggle     a run trained on Kaggle's machines and brought back
"""
