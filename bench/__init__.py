"""Measure Entrepot beside Distribution and nginx on one machine in one run; see README.md."""
