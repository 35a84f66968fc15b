"""Move an installation from SQLite to PostgreSQL (`manage.py move_database`): every row is copied, then compared."""
