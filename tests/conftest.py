"""What holds for every test: a property may take as long as the machine needs."""

from hypothesis import settings

# A deadline measures the machine: under load, or where an example imports something first, it fails for no fault.
settings.register_profile("golddiff", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("golddiff")
