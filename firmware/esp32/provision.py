"""Moves what firmware/tools/provision.py has made from ``/provision`` into the NVS of an ESP32.

``mpremote cp -r DIR :/provision`` and then ``mpremote run firmware/esp32/provision.py``. The files
are removed: what was secret in them is only in the NVS from then on.
"""

import os

from esp32 import NVS

store = NVS("fieldnode")
for name in os.listdir("/provision"):
    with open("/provision/" + name, "rb") as file:
        store.set_blob(name, file.read())
    store.commit()
    os.remove("/provision/" + name)
    print(name, "stored")
os.rmdir("/provision")
