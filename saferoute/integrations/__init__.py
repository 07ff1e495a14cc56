"""One file per agent framework, imported by its user only. Still empty: a later issue builds them."""
