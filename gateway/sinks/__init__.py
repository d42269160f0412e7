"""Databases that get every reading: line protocol over HTTP, each with a durable cursor."""
