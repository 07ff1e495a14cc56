"""The one call path: a generator of effects that decides, driven by drivers that act."""
