"""What findings look like, and under which names they were told before."""
