"""Kaggle: packed, pushed and brought back."""
