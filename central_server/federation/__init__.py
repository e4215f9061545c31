"""The server's part in federated work: it collects and routes, and learns totals only."""
