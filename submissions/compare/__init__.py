"""Submissions side by side: tables in the terminal, a page that opens from disk, and what the leaderboard said."""
