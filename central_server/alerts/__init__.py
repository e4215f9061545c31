"""From what the sites say to alerts: rules find, the lifecycle decides. Both are pure; `monitoring.py` wires them."""
