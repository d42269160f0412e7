"""Grafana boards as code: one specification, four sets of JSON.

InfluxQL and PromQL, each in English and in Vietnamese.
``python -m dashboards`` writes ``json/`` and ``provisioning/``; nobody edits those by hand.

::

    words, spec, query ─▶ boards/*, alerts/*      what is shown and asked, in no query language
             influxql, promql                     the two languages, in the subset all servers have
             panels, board, provisioning ─▶ JSON  what Grafana loads
"""
