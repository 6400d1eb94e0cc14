"""Compares submissions; see submissions/compare/tables.py."""

import sys

from submissions.compare.tables import main

if __name__ == "__main__":
    main(sys.argv[1:])
