"""What pages are made of: tables, figures, charts, the map."""
