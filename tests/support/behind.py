"""One worker works behind the others, at a lower priority, on what waits for nothing.

Tests that start processes wait for them nearly half of their time, and some of them by the clock; a
third worker like theirs would make them late. What is pure computation fills the gaps instead.
"""

from typing import TYPE_CHECKING

from typing_extensions import override
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

PURE = ("tests/unit/", "tests/docs/")


class Behind(LoadFileScheduling):
    """Files stay together; a worker of low priority (``--tx popen//nice=…``) gets the pure ones."""

    @override
    def _assign_work_unit(self, node: "WorkerController") -> None:
        is_behind = bool(node.gateway.spec.nice)
        fitting = (file for file in self.workqueue if file.startswith(PURE) is is_behind)
        file = next(fitting, None)
        if file is None and is_behind:
            node.shutdown()
            return
        if file is not None:
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
