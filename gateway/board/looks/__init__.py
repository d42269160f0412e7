"""What pages show, read and put in order without a page: plain data, tested without a browser."""
