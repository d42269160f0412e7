"""The life of alarms, of every domain alike: raised, acknowledged, cleared.

``book`` is that life, ``findings`` what the sectors found, ``own`` what the gateway finds in
itself, ``scope`` what lies above a place, ``words`` what people said, ``calls`` what monitors are
told over MQTT. The annunciator's process puts them together.
"""
