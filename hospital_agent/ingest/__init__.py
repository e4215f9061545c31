"""From files to volumes: DICOM series and NIfTI files are read here and nowhere else, or refused by name."""
