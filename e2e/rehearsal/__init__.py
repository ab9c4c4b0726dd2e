"""`make e2e`: what an admin does with the operator, from its installation to its removal.

Each module is a part of the story; every promise in it is checked while you watch.
"""
