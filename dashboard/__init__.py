"""The dashboard: what the radiology lead looks at. It talks to the REST API of the centre and to nothing else."""
