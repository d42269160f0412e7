"""Scripts that a page will ask for are asked for at once, not one after the other."""

import re

from nicegui import __version__, ui
from nicegui.dependencies import JsComponent, esm_modules

_ECHARTS = "nicegui-echart"
_CHUNK = re.compile(r'from"\./([\w.-]+\.js)"')
_ROOT = f"/_nicegui/{__version__}"


def links() -> str:
    """Return links for the head of every page: charts and tables are on nearly all of them.

    NiceGUI names only the scripts of what is in the first draft of a page. The chart's own script
    is three scripts deep, and the table's is asked for when the first list comes.
    """
    paths = [f"{_ROOT}/static/dompurify.mjs", f"{_ROOT}/static/utils/dynamic_properties.js"]
    if isinstance(ui.table.component, JsComponent):
        paths.append(f"{_ROOT}/components/{ui.table.component.key}")
    for key, module in esm_modules.items():
        if module.name != _ECHARTS:
            continue
        entry = (module.path / "index.js").read_text("utf-8")
        names = ["index.js", *_CHUNK.findall(entry)]
        paths += [f"{_ROOT}/esm/{key}/{name}" for name in names]
    return "".join(f'<link rel="modulepreload" href="{path}">' for path in paths)
