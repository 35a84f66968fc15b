"""One archive with all that can't be made again: database, logs, reports, configuration. `manage.py backup` writes it,
`manage.py restore` reads it."""
