"""Weights on their way into the weights folder: fetched or carried in, verified, converted.

Nothing that answers requests is imported here, and nothing here runs while the service does.
"""
