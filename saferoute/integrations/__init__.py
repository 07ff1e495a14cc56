"""What plugs into software of others, and what of others plugs in here: imported by its user only. So far guards of others."""
