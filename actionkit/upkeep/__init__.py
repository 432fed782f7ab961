"""HOW an installation is looked after: people are erased, sending is paused, backups are made."""
