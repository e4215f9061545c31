"""One network for several organs (Karimi and Gholipour 2022): does it calibrate better, and does it know strangers?

`datasets` says which images; `networks` trains them; `measuring` makes rows; `findings`, `tables` and `report` tell.
"""
