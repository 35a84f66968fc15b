"""Time limits, failures and transactions of the database."""
