"""Pure core: integers only, no input or output, no clock."""
