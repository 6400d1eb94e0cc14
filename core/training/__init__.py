"""One fold of one kernel, from rows to probabilities: the contract of a kernel, its plan of phases, the only training
loop, and what a killed fold is resumed from."""
