"""What a board gives: one module per kind of board, passed in, never imported by core."""
