"""The page: one file per tab, and what the tabs share. No torch."""
