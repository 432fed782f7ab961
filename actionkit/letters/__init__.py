"""What is written to officials, and at what pace."""
