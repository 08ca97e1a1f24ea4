"""Trunks that families share."""
