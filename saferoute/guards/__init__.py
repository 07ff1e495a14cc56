"""Guards: what judges every segment that goes out or comes back. Still empty: a later issue builds them."""
