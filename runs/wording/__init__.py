"""How checks, numbers, states and components are named and written for people. No rows are read here."""
