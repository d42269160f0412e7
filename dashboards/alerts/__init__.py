"""What Grafana calls somebody for: rules, their runbooks, and the file it loads them from."""
