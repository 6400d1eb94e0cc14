"""What must be the same in every kernel for their votes to be comparable."""
