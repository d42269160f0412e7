"""Transport: what detectors on the road say, judged, summed up, and turned into traffic.

Rooms are pure: columns and plain values in, columns and plain values out. ``series`` has the
types they share.
"""
