"""For all tests: hypothesis does not time its examples, since machines differ."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
