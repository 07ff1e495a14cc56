"""Roads from other clients: a LiteLLM-compatible module and its configuration importer. Still empty: a later issue builds them."""
