"""The central server: reports in; drift, rates and alerts out."""
