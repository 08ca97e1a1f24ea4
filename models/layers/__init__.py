"""Modules that two or more families share."""
