"""A competition that anyone may have: drawn people, or photographs with drawn masks. Nothing imports it."""
