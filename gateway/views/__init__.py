"""What the API and the board both say of the store: units, accounts, the state of the fleet.

The two never import each other; whatever they must agree on is here, and reads only.
"""
