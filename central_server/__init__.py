"""The centre: takes in the sites' reports, watches them, and answers the dashboard and other programs over REST."""
