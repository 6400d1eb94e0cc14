"""Makes a competition folder; see core/people/make.py."""

from core import recipe
from core.people.make import Options, draw_competition

if __name__ == "__main__":
    draw_competition(recipe.parse(Options))
