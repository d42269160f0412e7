"""What a detector would have counted: the ladder of PeMS, every value with its method.

``pairs_of`` says whose values may speak for whose, ``learn`` keeps regressions up night by night
and forgets what is old, ``impute`` fills bins. Only measured bins teach and only measured bins
speak; nothing imputed may tell of incidents or bottlenecks (``Bins.is_observed``).
"""

from gateway.transport.impute.ladder import impute
from gateway.transport.impute.learning import Learned, learn
from gateway.transport.impute.pairs import Pairs, pairs_of

__all__ = ["Learned", "Pairs", "impute", "learn", "pairs_of"]
