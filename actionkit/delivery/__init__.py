"""How mail leaves: a ledger of rows, a worker that claims and sends them, SMTP. Knows nothing of petitions."""
