"""Submissions on disk, and `submissions.compare`, which compares them."""
