"""Made-up grids whose truth is known, to score ``gateway/energy``; they know no simulator."""
