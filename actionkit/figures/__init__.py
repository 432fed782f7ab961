"""WHAT staff see at a glance: what waits for a person, and how campaigns do."""
