"""The facade: Client and AsyncClient."""
