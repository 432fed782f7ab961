"""The supporter's journey: sign, confirm, withdraw, be counted."""
