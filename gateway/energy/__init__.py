"""Energy: validated intervals, bills, insight and the grid, worked out over closed windows.

Every room is a function of columns: the same window gives the same result, whether its data came
in time or days late. ``series`` holds the types that the rooms share.
"""
