"""Frames of LoRaWAN sensors that no network server has decoded.

A codec is data: a file for each maker (``gateway/mappings/lorawan``, docs/devices.md). Rooms:

* ``forms``: what may stand in such a file;
* ``numbers``, ``formula``, ``fields``: bytes to one value;
* ``tagged``, ``flagged``: the two kinds of layout, bytes to the values of a frame;
* ``table``: a model of a maker, compiled; ``codecs``: all of them, and which one a frame is of.
"""
