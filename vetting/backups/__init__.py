"""Backups: one archive with everything that can't be regenerated: database, logs, reports, configuration. `manage.py
backup` writes it, `manage.py restore` reads it."""
