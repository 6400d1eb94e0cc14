"""Who trains which fold where: in this process, side by side, in ranks or on a cluster. Finished folds are
skipped. Looks on: it starts, checks and shows training, and decides nothing that a run finds."""
