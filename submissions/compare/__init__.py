"""Comparison of submissions: tables in the terminal, a page that opens from disk, and the scores of the leaderboard."""
