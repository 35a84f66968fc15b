"""Profiles (the YAML files here): loading and checking them, and how long each takes on a host."""
