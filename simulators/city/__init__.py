"""A city with ground truth: worlds that obey physics, and scenarios whose truth is written down.

``frame`` is what a world is: the grid (``simulators.city.grid``) and the road build against it.
"""
