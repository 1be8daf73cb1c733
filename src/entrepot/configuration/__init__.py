"""Configuration documents."""
