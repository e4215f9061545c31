"""Simulated patients with exact truth: analytic chests, lesions inserted into real CT, scanners that can change.

Everything is chosen, recorded, applied: a frozen dataclass says what was drawn, and applying it draws nothing new
except noise from the generator that is handed in. So a simulated case can be told in one line and made again.
"""
