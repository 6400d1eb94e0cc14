"""Makes a competition folder; see core/people/make.py."""

import sys

from core.people.make import main

if __name__ == "__main__":
    main(sys.argv[1:])
