"""What staff write at the desk: campaigns with their letters, programs, updates, stories, resources."""
