"""One archive with everything that can't be made again: `manage.py backup` writes it, `manage.py restore` reads it."""
