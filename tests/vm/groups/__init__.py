"""The groups of the acceptance test, a module each: see ../acceptance.py."""
