"""Automation scripts of the operator's folder: which may be run, and in what bounds."""
