"""The study of federated training: sites of different sizes and scanners, together, alone, and with all data pooled."""
