"""The content directory: files that become programs, campaigns and letters."""
