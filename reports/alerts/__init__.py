"""Alert rules: what was loaded becomes findings, and findings become messages."""
