"""Makes a competition folder; see core/people/make.py."""

from core.people.make import command

if __name__ == "__main__":
    command()
