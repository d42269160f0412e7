"""Where Grafana finds the database and the boards: files for its folder ``provisioning``.

``$NAME`` is taken from Grafana's environment when it starts: no address and no secret is in here.
"""

from collections.abc import Mapping

import yaml

from dashboards.dialect import Dialect
from dashboards.paper import Json

DATASOURCE_UID = "infragate"
# Where the compose file and the packages put ``dashboards/json/<language of queries>``.
BOARDS_FOLDER = "/etc/grafana/infragate/json"
HEADER = "# Written by: python -m dashboards. Change the specification, not this file.\n"
_FOLDERS = {"en": "Infragate (English)", "vi": "Infragate (Tiếng Việt)"}


def providers(dialect: Dialect) -> Mapping[str, str]:
    """Return the texts of the files of data sources and of boards, by folder."""
    source = _influxdb() if dialect.datasource == "influxdb" else _prometheus()
    sources = {"apiVersion": 1, "prune": True, "datasources": [source]}
    boards = {"apiVersion": 1, "providers": [_provider(one) for one in _FOLDERS]}
    return {
        name: as_yaml(body) for name, body in (("datasources", sources), ("dashboards", boards))
    }


def as_yaml(body: Json) -> str:
    """Return the text of a file."""
    return HEADER + str(yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=100))


def _influxdb() -> Json:
    """Return InfluxQL for InfluxDB 1, 2 and 3: 1 ignores the header, 2 and 3 need it."""
    return {
        "name": "infragate",
        "uid": DATASOURCE_UID,
        "type": "influxdb",
        "access": "proxy",
        "url": "$INFRAGATE_DATABASE_URL",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "dbName": "$INFRAGATE_DATABASE",
            "httpMode": "POST",
            "timeInterval": "10s",
            "httpHeaderName1": "Authorization",
        },
        "secureJsonData": {"httpHeaderValue1": "Token $INFRAGATE_DATABASE_TOKEN"},
    }


def _prometheus() -> Json:
    return {
        "name": "infragate",
        "uid": DATASOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": "$INFRAGATE_DATABASE_URL",
        "isDefault": True,
        "editable": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
    }


def _provider(language: str) -> Json:
    return {
        "name": f"infragate-{language}",
        "orgId": 1,
        "folder": _FOLDERS[language],
        "folderUid": f"infragate-{language}",
        "type": "file",
        "allowUiUpdates": False,
        "disableDeletion": False,
        "updateIntervalSeconds": 60,
        "options": {"path": f"{BOARDS_FOLDER}/{language}"},
    }
