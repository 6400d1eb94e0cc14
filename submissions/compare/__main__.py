"""Compares submissions; see submissions/compare/tables.py."""

from submissions.compare.tables import command

if __name__ == "__main__":
    command()
