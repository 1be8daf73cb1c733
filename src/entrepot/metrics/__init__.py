"""Metrics: what a node counts and measures, summed over its processes, in the Prometheus text format."""
