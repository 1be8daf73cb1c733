"""Entrepot: one highly available home for every binary a company builds or downloads."""

__version__ = "0.1.0"
