"""What is handed in, and `submissions.compare`, which says which of it is better."""
