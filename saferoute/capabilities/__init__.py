"""What a caller may do."""
