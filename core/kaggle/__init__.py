"""A run trained on Kaggle's machines and brought back: one script is packed and pushed, data and weights lie there as
private datasets, and what comes back is checked and votes with runs made at home. Looks on."""
