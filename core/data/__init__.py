"""A competition folder as rows in a fixed order, assigned to folds by person; which training rows are relabelled by
age, left out or repeated. Held-out and test rows are never changed. Free of torch."""
