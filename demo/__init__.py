"""The whole product on one machine: a centre, a dashboard, three hospitals, and one scanner that changes.

Nothing here is part of what runs at a hospital. The demo only starts the programs as anybody would, puts DICOM series
into inboxes, and reads the same API and ledgers that people read.
"""
