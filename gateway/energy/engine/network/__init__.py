"""The grid as a whole: violations, loads, rules that ask for a person, weeks, months."""
