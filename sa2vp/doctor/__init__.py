"""``sa2vp doctor``: what this machine is good for, and whether all of it works here.

``checks.py`` lists what is checked; each of the other files is one kind of it.
"""
