"""What Grafana does with a board, without Grafana: macros, variables, queries, tables."""
