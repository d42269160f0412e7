"""Whether a boot was a good one, told to what chose the slot (firmware/boot.py)."""

if False:  # for the type checker
    from fieldnode.hal.base import Slots

GOOD_MS = 120_000  # a boot that lasted this long was a good one
TRIAL_MS = 900_000  # without a receipt for this long an image on trial has failed this boot


class Trial:
    """One boot of a slot; ``is_over`` when it was a good one."""

    def __init__(self, boot: "Slots") -> None:
        self._boot = boot
        self.is_over = False

    def tick(self, uptime_ms: int, has_receipt: bool) -> bool:
        """Say how it goes, every second or so; True asks for a reset: the trial fails so far.

        ``has_receipt``: the gateway has receipted something in this boot.
        """
        on_trial = self._boot.running != self._boot.active
        if uptime_ms >= GOOD_MS and (has_receipt or not on_trial) and not self.is_over:
            self.is_over = True
            self._boot.good(has_receipt)
        return on_trial and not self.is_over and uptime_ms >= TRIAL_MS
