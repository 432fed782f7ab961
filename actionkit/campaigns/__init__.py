"""What people are asked to support: programs, campaigns in their languages, officials, updates, stories, resources."""
